"""Hypothesis without a clock: a busy machine fails no test. And real sandboxes, for the tests that run programs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

REQUIRED = {name.strip() for name in os.environ.get("ASSAY_REQUIRE", "").split(",") if name.strip()}


@pytest.fixture(
    scope="session",
    params=[pytest.param("docker", marks=pytest.mark.docker), pytest.param("bubblewrap", marks=pytest.mark.bubblewrap)],
)
def code_box(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Open a real sandbox. A backend that this machine lacks skips the test, or fails it where ASSAY_REQUIRE lists it."""
    from assay.sandbox.errors import SandboxUnavailable

    from assay import Limits, open_sandbox

    backend = request.param
    try:
        box = open_sandbox(backend, limits=Limits(cpu_seconds=20, wall_seconds=40))
    except SandboxUnavailable as error:
        if backend in REQUIRED:
            pytest.fail(f"ASSAY_REQUIRE lists {backend}, which is not available: {error}")
        pytest.skip(f"{backend} is not available: {error}")
    with box:
        yield box
