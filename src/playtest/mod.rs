//! Scripted performer and jumping clock: the engine without a world.
