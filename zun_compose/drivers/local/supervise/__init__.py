"""One container's supervisor: it starts the process, keeps its log, checks its health and knows its end."""
