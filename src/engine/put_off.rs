//! What was put off is kept in the store, and forgotten when it has started or its alert is gone.

use std::collections::BTreeSet;

use super::Engine;
use super::admission::{Delivery, Offer, OfferAnswer};
use super::ports::StoreError;

impl Engine {
    /// Forgets what is no longer put off: what has started meanwhile, or is claimed by another run. When
    /// `whole`, the delivery is everything that there is: then also what it does not offer, because its
    /// alert is gone or no playbook wants it any more.
    ///
    /// # Errors
    ///
    /// The store's.
    pub async fn settle_put_off(
        &self,
        delivery: &Delivery,
        offers: &[Offer],
        whole: bool,
    ) -> Result<(), StoreError> {
        let rows = self.store.later(None).await?;
        let key = |offer: &Offer| (offer.playbook.name.to_string(), offer.group.target.clone());
        let (waiting, settled): (Vec<_>, Vec<_>) =
            offers.iter().partition(|offer| matches!(offer.answer, OfferAnswer::Later(_)));
        let waiting: BTreeSet<_> = waiting.into_iter().map(key).collect();
        let settled: BTreeSet<_> = settled.into_iter().map(key).collect();
        let over: Vec<_> = rows
            .into_iter()
            .filter(|row| row.scope == delivery.scope)
            .filter(|row| {
                let key = (row.playbook.clone(), row.target.clone());
                !waiting.contains(&key) && (whole || settled.contains(&key))
            })
            .map(|row| (row.playbook, row.scope, row.target))
            .collect();
        if over.is_empty() { Ok(()) } else { self.store.drop_later(over).await }
    }
}
