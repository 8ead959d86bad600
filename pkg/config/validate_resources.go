package config

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/yaml"
)

// What a node needs at least: with less, the control plane's own pods would be killed
// or wait for each other for minutes.
const (
	leastCPUs               = "500m"
	leastControlPlaneMemory = "1Gi"
	leastMemory             = "256Mi"
)

func (m *mistakes) resources(path string, n Node) {
	memory := leastMemory
	if n.Role == ControlPlane {
		memory = leastControlPlaneMemory
	}
	m.quantity(fieldPath(path, "cpus"), n.Resources.CPUs, "1500m", leastCPUs)
	m.quantity(fieldPath(path, "memory"), n.Resources.Memory, "2Gi", memory)
}

// quantity checks one that may be missing, and is at least as much as another.
func (m *mistakes) quantity(path, value, example, least string) {
	if value == "" {
		return
	}
	q, err := resource.ParseQuantity(value)
	switch {
	case err != nil:
		m.addf(path, "must be a quantity such as %q, not %s", example, quote(value))
	case q.Cmp(resource.MustParse(least)) < 0:
		m.addf(path, "must be at least %s, not %s", least, quote(value))
	}
}

func (m *mistakes) kubeletConfigPatches(path string, patches []string) {
	for i, patch := range patches {
		at := itemPath(path, i)
		var into map[string]any
		if err := yaml.Unmarshal([]byte(patch), &into); err != nil {
			m.addf(at, "is not a YAML mapping: %s", quote(fmt.Sprint(err)))
			continue
		}
		m.printable(at, patch, "\r\n\t")
	}
}
