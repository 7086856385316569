"""What a worker offers to its plugins, made once: the two factories that ``ServiceSources`` takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from gateway.control.budget_status import BudgetBooks
from gateway.plugin_services.apps import Apps
from gateway.plugin_services.asking import Asking
from gateway.plugin_services.budgets import Budgets
from gateway.plugin_services.gateway import GatewayView, PluginGateway
from gateway.plugin_services.llms import Llms
from gateway.plugin_services.prices import Prices
from gateway.plugin_services.studio import PluginStudio

if TYPE_CHECKING:
    from gateway.control.entities import LlmEntity
    from gateway.control.store import ControlStore
    from gateway.payloads.sender import PayloadSender
    from gateway.snapshot import SnapshotHolder
    from sluice.sdk.services import GatewayServices, StudioServices


class PluginSources(NamedTuple):
    """By plugin id and name."""

    gateway: Callable[[int, str], GatewayServices]
    studio: Callable[[int, str], StudioServices]


def plugin_sources(
    snapshots: SnapshotHolder,
    store: ControlStore,
    llms: Callable[[], Mapping[int, LlmEntity]],
    sender: PayloadSender,
) -> PluginSources:
    """Of a worker; ``llms`` are the entities that its present snapshot was made of."""
    asking = Asking()
    apps = Apps(snapshots, store, asking)
    view = GatewayView(
        snapshots=snapshots,
        apps=apps,
        llms=Llms(llms),
        budgets=Budgets(apps, BudgetBooks(store.database), asking),
        prices=Prices(snapshots, store, asking),
        sender=sender,
    )
    studio = PluginStudio(store, asking)
    return PluginSources(
        gateway=lambda plugin_id, plugin: PluginGateway(view, plugin_id, plugin),
        studio=lambda _plugin_id, _plugin: studio,
    )
