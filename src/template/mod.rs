//! Text with holes: parsed once for the language it stands in, filled after that language has been parsed.
