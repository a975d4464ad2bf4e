"""Media libraries: what Kodi, Jellyfin, Emby and Plex know of films, read and written with care."""
