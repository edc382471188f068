"""Serves one WSGI application: serve.py ADDRESS:PORT MODULE [ARGUMENTS OF THE SERVICE]."""

import importlib
import sys


def main() -> None:
    """Import the module, which holds `application`, and serve it until the process is ended."""
    listen, module, *arguments = sys.argv[1:]
    # the services' modules read the command line while they are imported
    sys.argv = [module, *arguments]
    application = importlib.import_module(module).application

    from waitress import serve

    # an image of any size may be uploaded, and a slow one may pause for minutes
    serve(
        application,
        listen=listen,
        threads=8,
        channel_timeout=600,
        max_request_body_size=1 << 40,
        ident=None,
    )


if __name__ == "__main__":
    main()
