"""Engines behind the Protocols of zun_compose.driver; each imports its own SDK and none of the others."""
