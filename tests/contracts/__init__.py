"""What each member of a registry keeps to: `contracts.<plural>.check(name, folder)` is for `biosig.<plural>`."""
