"""Serves many models, which SageMaker loads and unloads. Multi Model Server implements the API for that."""

from collections.abc import Mapping

from serving import app, models, settings


def run(chosen: settings.Settings, given: Mapping[str, str]) -> int:
    """Serve until SIGTERM. Return the exit status. Raises StartError if there is no Java, or the port is taken."""
    models.import_handler()  # report errors in the handler now, not with the first model
    return app.run(chosen)
