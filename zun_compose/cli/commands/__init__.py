"""One module a family of commands; each is imported when one of its commands runs."""
