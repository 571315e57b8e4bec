"""API of the register: for community workers, each within their communities."""

from __future__ import annotations

from fastapi import APIRouter

from central.register import api_communities, api_imports, api_leases, api_people, api_places, api_rights
from central.register.office import Office


def router(office: Office) -> APIRouter:
    api = APIRouter()
    for each in (
        api_communities.router,
        api_places.router,
        api_places.doors_router,
        api_people.router,
        api_people.homes_router,
        api_leases.router,
        api_rights.router,
        api_imports.router,
    ):
        api.include_router(each(office))
    return api
