package config

import (
	"maps"
	"slices"

	"github.com/mkube/mkube/pkg/names"
)

// fileKinds are the kinds of files that flags of components name, by component and flag. The
// components check their fields. See https://kubernetes.io/docs/reference/config-api/.
var fileKinds = map[string]map[string]document{
	names.KubeAPIServer: {
		"admission-control-config-file": kindOnly("AdmissionConfiguration", "apiserver.config.k8s.io/v1", "apiserver.k8s.io/v1alpha1"),
		"audit-policy-file":             kindOnly("Policy", "audit.k8s.io/v1"),
		"authorization-config":          kindOnly("AuthorizationConfiguration", configVersions...),
		"egress-selector-config-file":   kindOnly("EgressSelectorConfiguration", "apiserver.k8s.io/v1beta1", "apiserver.k8s.io/v1alpha1"),
		"tracing-config-file":           kindOnly("TracingConfiguration", configVersions...),
	},
	names.KubeScheduler: {"config": kindOnly("KubeSchedulerConfiguration", "kubescheduler.config.k8s.io/v1")},
}

// configVersions are the versions of the files of kube-apiserver.
var configVersions = []string{"apiserver.config.k8s.io/v1", "apiserver.config.k8s.io/v1beta1", "apiserver.config.k8s.io/v1alpha1"}

func kindOnly(kind string, versions ...string) document {
	return document{kind: kind, versions: versions, schema: func() (table, error) { return nil, nil }}
}

// fileKinds checks the files that flags name, if extraFiles has their content.
func (m *mistakes) fileKinds(c Cluster) {
	for _, component := range []string{names.KubeAPIServer, names.KubeScheduler} {
		kinds := fileKinds[component]
		for _, flag := range slices.Sorted(maps.Keys(kinds)) {
			file := c.ExtraArgs[component][flag]
			if text, found := c.ExtraFile(component, file); found {
				m.document(keyPath(keyPath("extraArgs", component), flag), file, text, kinds[flag], c)
			}
		}
	}
}
