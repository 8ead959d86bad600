package component

import "maps"

// Merge returns a tree of tables with a patch merged into it. Tables are merged key by key;
// every other value is replaced. Merge changes neither of its arguments.
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
