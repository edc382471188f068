"""The command line: arguments in, engine calls, text out. The only place that handles signals."""
