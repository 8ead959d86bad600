package config

import "k8s.io/apimachinery/pkg/api/resource"

// The minimum resources of a node. With less, the pods of the control plane would be killed, or
// would wait for each other for minutes.
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

// quantity checks a quantity: it may be empty, otherwise it must be at least least.
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
