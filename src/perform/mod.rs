//! Does effects for real: processes and HTTP requests.
