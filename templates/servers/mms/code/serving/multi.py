"""Serves many models: SageMaker says which to load, and when. Multi Model Server answers its API for that by itself."""

from collections.abc import Mapping

from serving import app, models, settings


def run(chosen: settings.Settings, given: Mapping[str, str]) -> int:
    """Serves until SIGTERM; the exit status. Raises StartError if there is no Java, or the port is taken."""
    models.import_handler()  # what is wrong with it shows now, and not with the first model
    return app.run(chosen)
