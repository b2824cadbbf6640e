"""Labels, subjects and events that live outside the signal files, in tables or in the path."""
