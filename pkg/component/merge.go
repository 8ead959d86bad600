package component

import (
	"fmt"
	"maps"

	"sigs.k8s.io/yaml"
)

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

// Patched returns a YAML document with patches merged into it, in order, and then the settings.
// Without patches and settings, the document is unchanged, with its comments. field is the name of
// the patches in errors.
func Patched(document []byte, field string, patches []string, settings map[string]any) ([]byte, error) {
	if len(patches) == 0 && len(settings) == 0 {
		return document, nil
	}
	var merged map[string]any
	if err := yaml.Unmarshal(document, &merged); err != nil {
		return nil, err
	}
	for i, text := range patches {
		var patch map[string]any
		if err := yaml.Unmarshal([]byte(text), &patch); err != nil {
			return nil, fmt.Errorf("reading %s[%d]: %w", field, i, err)
		}
		merged = Merge(merged, patch)
	}
	return yaml.Marshal(Merge(merged, settings))
}
