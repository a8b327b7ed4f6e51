"""The worker runtime: claims tasks, runs handlers, keeps leases alive and ends attempts."""
