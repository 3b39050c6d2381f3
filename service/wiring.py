"""Where settings become engines, stores and logs; nothing else makes them."""

from __future__ import annotations

import logging
import sys
from typing import TextIO

import structlog
from structlog.tracebacks import ExceptionDictTransformer

from service.database import Database
from service.files import Files
from service.settings import Settings
from service.store import Store


def open_store(settings: Settings) -> Store:
    """Return the store that the settings describe."""
    settings.data.mkdir(parents=True, exist_ok=True)
    database = Database(settings.resolved_database_url, pool=settings.database_pool)
    return Store(database, Files(settings.resolved_artifacts_url), settings)


def configure_logging(level: str, stream: TextIO = sys.stderr) -> None:
    """Write logs as one JSON object a line, with the time in UTC.

    Tracebacks come without the values of local variables: those hold callers' keys.
    """
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
    )
