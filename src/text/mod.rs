//! Source files, spans, positions, diagnostics: what is said about what people wrote.
