package component

import "maps"

// Merge puts a patch into a tree of tables: tables are merged key by key, everything
// else is replaced. It changes neither of its arguments.
func Merge(into, patch map[string]any) map[string]any {
	merged := maps.Clone(into)
	for key, value := range patch {
		table, isTable := value.(map[string]any)
		old, wasTable := merged[key].(map[string]any)
		if isTable && wasTable {
			merged[key] = Merge(old, table)
			continue
		}
		merged[key] = value
	}
	return merged
}
