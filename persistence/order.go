package persistence

// inOrder is the order of a list by a key, which the cursors of its pages
// continue after: ascending, or the other way round.
func inOrder(key string, ascending bool) string {
	if ascending {
		return key
	}
	return key + " DESC"
}

// beyond is the condition of the page after the one that ended with a key.
func beyond(key string, ascending bool) string {
	if ascending {
		return key + " > ?"
	}
	return key + " < ?"
}
