"""Example 2: writes every event to Elasticsearch; what cannot be written now comes again."""

from typing import Any

from sluice.sdk import (
    AnalyticsData,
    BasePlugin,
    BudgetUsageData,
    Context,
    DataCollectionResponse,
    DataCollector,
    ProxyLogData,
)


class ElasticsearchCollector(BasePlugin[dict[str, str]], DataCollector):
    name = "elasticsearch-collector"
    version = "1.0.0"

    async def initialize(self, ctx: Context, config: dict[str, str]) -> None:
        self.url = config.get("elasticsearch_url", "http://localhost:9200")

    async def handle_proxy_log(self, ctx: Context, log: ProxyLogData) -> DataCollectionResponse:
        fields = ("app_id", "user_id", "vendor", "response_code", "request_id")
        bodies = {"request_body": log.request_body.decode(), "response_body": log.response_body.decode()}
        return await self.index(ctx, "proxy-logs", log, fields, **bodies)

    async def handle_analytics(self, ctx: Context, analytics: AnalyticsData) -> DataCollectionResponse:
        fields = ("llm_id", "model_name", "vendor", "prompt_tokens", "response_tokens", "total_tokens", "request_id")
        return await self.index(ctx, "analytics", analytics, fields, cost=float(analytics.cost))

    async def handle_budget_usage(self, ctx: Context, usage: BudgetUsageData) -> DataCollectionResponse:
        period = {name: getattr(usage, name).isoformat() for name in ("period_start", "period_end")}
        fields = ("app_id", "llm_id", "tokens_used", "requests_count")
        return await self.index(ctx, "budget", usage, fields, cost=float(usage.cost), **period)

    async def index(
        self, ctx: Context, kind: str, event: Any, fields: tuple[str, ...], **others: Any
    ) -> DataCollectionResponse:
        document = {"@timestamp": event.timestamp.isoformat(), **{name: getattr(event, name) for name in fields}}
        index = f"microgateway-{kind}-{event.timestamp:%Y.%m.%d}"
        # Under the event's own id: an event that comes twice is one document.
        answer = await ctx.services.http.put(f"{self.url}/{index}/_doc/{event.event_id}", json=document | others)
        if answer.is_error:
            return DataCollectionResponse.failed(f"elasticsearch returned status {answer.status_code}")
        return DataCollectionResponse.done()
