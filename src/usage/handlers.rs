//! `/api/apiusagemetrics`.

use actix_web::HttpResponse;

use super::rules::Call;
use super::store;
use crate::app::App;
use crate::auth::Caller;
use crate::body::Body;
use crate::error::Result;
use crate::id::UsageID;
use crate::list::{self, Found, Piece};
use crate::rights::ViewSystemInformation;
use crate::search::Filter;
use crate::wire;

/// Every call that is remembered.
pub async fn list(caller: Caller<ViewSystemInformation>, app: App) -> Result<HttpResponse> {
    list::answer("apiUsageMetrics", move |after| {
        let (caller, app) = (caller.clone(), app.clone());
        async move {
            let after = UsageID::new(after);
            let calls = app.database.read_list(move |db| store::list(db, &caller, after, list::PIECE)).await?;
            let last = calls.last().map(|call| call.id.get());
            Ok(Piece { last, items: calls.into_iter().map(shown).collect() })
        }
    })
    .await
}

/// Calls by criteria: those answered with 429 since yesterday, say.
pub async fn search(
    caller: Caller<ViewSystemInformation>,
    filter: Body<wire::SearchFilter>,
    app: App,
) -> Result<Found<wire::ApiUsageMetrics>> {
    let filter = Filter::read(filter.0)?;
    let calls = app.database.read_list(move |db| store::search(db, &caller, filter.clone())).await?;
    let api_usage_metrics: Vec<_> = calls.into_iter().map(shown).collect();
    Ok(Found(api_usage_metrics.len(), wire::ApiUsageMetrics { api_usage_metrics }))
}

fn shown(call: Call) -> wire::ApiUsageMetric {
    wire::ApiUsageMetric {
        api_type: "REST",
        action: call.action,
        method: call.path,
        date: call.at,
        tenant_guid: Some(call.tenant_guid).filter(|guid| !guid.is_empty()),
        duration: call.duration,
        status_code: call.status,
        authentication_method: call.method,
        expand_parameter: call.expand,
        response_item_count: call.items,
        id: call.id,
    }
}
