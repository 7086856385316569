"""Sees every event; what it has sent nowhere is stored elsewhere."""

from sluice.sdk import AnalyticsData, BasePlugin, BudgetUsageData, Context, DataCollector, ProxyLogData


class Watcher(BasePlugin, DataCollector):
    name = "watcher"

    async def handle_proxy_log(self, ctx: Context, log: ProxyLogData) -> None:
        ctx.services.logger.debug("proxy log received", app_id=log.app_id, vendor=log.vendor, status=log.response_code)

    async def handle_analytics(self, ctx: Context, analytics: AnalyticsData) -> None:
        ctx.services.logger.debug(
            "analytics received", llm_id=analytics.llm_id, tokens=analytics.total_tokens, cost=str(analytics.cost)
        )

    async def handle_budget_usage(self, ctx: Context, usage: BudgetUsageData) -> None:
        ctx.services.logger.debug("budget usage", app_id=usage.app_id, cost=str(usage.cost))
