package apiserver

import (
	_ "embed"
	"slices"

	"sigs.k8s.io/yaml"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/component"
)

//go:embed authentication.yaml
var ownAuthentication []byte

// health are the paths of the kubelet's probes, which are anonymous requests.
var health = []string{"/livez", "/readyz", "/healthz"}

// authenticationFile returns the AuthenticationConfiguration: mkube's own, or that of the user, with
// the anonymous requests of mkube's own if the user configures none.
func authenticationFile(c *cluster.Cluster) ([]byte, error) {
	user, err := c.Config.Authentication(string(c.PKI.Cluster.CertPEM()))
	if err != nil || user == nil {
		return ownAuthentication, err
	}
	var own map[string]any
	if err := yaml.Unmarshal(ownAuthentication, &own); err != nil {
		return nil, err
	}
	merged := component.Merge(own, user)
	if anonymous, ok := user["anonymous"].(map[string]any); ok {
		merged["anonymous"] = probed(anonymous)
	}
	return yaml.Marshal(merged)
}

// probed returns the user's settings for anonymous requests, with the paths of the health checks if
// they allow only some paths.
func probed(anonymous map[string]any) map[string]any {
	conditions, _ := anonymous["conditions"].([]any)
	if len(conditions) == 0 {
		return anonymous
	}
	var paths []string
	for _, condition := range conditions {
		table, _ := condition.(map[string]any)
		path, _ := table["path"].(string)
		paths = append(paths, path)
	}
	all := slices.Clone(conditions)
	for _, path := range health {
		if !slices.Contains(paths, path) {
			all = append(all, map[string]any{"path": path})
		}
	}
	return map[string]any{"enabled": true, "conditions": all}
}
