"""The web application: API, pages, and what every answer carries."""

from __future__ import annotations

import threading
from collections.abc import Callable

from fastapi import FastAPI
from sqlalchemy import Engine

from central.ingest.service import IngestStatus
from central.settings import Settings


def create_app(
    settings: Settings,
    reader: Engine,
    ingest_status: Callable[[], IngestStatus],
    stopping: threading.Event,
) -> FastAPI:
    return FastAPI(title="Liuhen")
