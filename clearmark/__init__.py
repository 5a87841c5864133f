"""What programs of others import: `clearmark.client` speaks to a service. It knows nothing of the service's insides."""
