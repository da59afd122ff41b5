//! Where journals, episodes, claims and gates live.
