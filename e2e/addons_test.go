//go:build e2e

package e2e

import (
	"strings"
	"testing"
)

// TestMetricsServer creates a cluster with the addon and uses the addon.
func TestMetricsServer(t *testing.T) {
	t.Parallel()
	c := create(t, "e2e-metrics", "", "--workers", "1", "--addon", "metrics-server")
	t.Run("kubectl top knows every node at once", func(t *testing.T) {
		out := c.kubectl(t, "top", "nodes", "--no-headers")
		for _, name := range []string{c.name + "-control-plane", c.name + "-worker"} {
			if !strings.Contains(out, name) || strings.Contains(out, "<unknown>") {
				t.Errorf("nothing of %s in\n%s", name, out)
			}
		}
	})
	t.Run("kubectl top knows the pods", func(t *testing.T) {
		eventually(t, "the API server's pod has figures", func() (bool, string) {
			out := c.kubectl(t, "top", "pods", "-A", "--no-headers")
			return strings.Contains(out, "kube-apiserver-"+c.name+"-control-plane") && strings.Contains(out, "Mi"), out
		})
	})
	t.Run("who it is and who it asks is checked", func(t *testing.T) {
		if out := c.kubectl(t, "get", "apiservice", "v1beta1.metrics.k8s.io", "-o", "jsonpath={.spec.insecureSkipTLSVerify}"); out != "" {
			t.Errorf("insecureSkipTLSVerify is %s", out)
		}
		if out := c.kubectl(t, "get", "deployment", "metrics-server", "-n", "kube-system", "-o", "yaml"); strings.Contains(out, "insecure") {
			t.Errorf("it is told to be insecure:\n%s", out)
		}
	})
	nodes := []string{c.name + "-control-plane", c.name + "-worker"}
	t.Run("docs/security.md is true", func(t *testing.T) { securityPage(t, c, nodes...) })
	t.Run("a HorizontalPodAutoscaler scales", func(t *testing.T) {
		loadWeb(t, c)
		c.apply(t, manifest(t, "busy.yaml"), "apply", "-f", "-")
		c.kubectl(t, "rollout", "status", "deployment/busy", "--timeout=180s")
		eventually(t, "the autoscaler knows how busy the pod is", func() (bool, string) {
			out := c.kubectl(t, "get", "hpa", "busy", "-o", "jsonpath={.status.currentMetrics[0].resource.current.averageUtilization}")
			return out != "" && out != "0", c.kubectl(t, "describe", "hpa", "busy")
		})
		eventually(t, "there are two pods", func() (bool, string) {
			return c.kubectl(t, "get", "deployment", "busy", "-o", "jsonpath={.status.readyReplicas}") == "2", c.kubectl(t, "describe", "hpa", "busy")
		})
		c.kubectl(t, "delete", "deployment/busy", "hpa/busy")
	})
	t.Run("containers have a seccomp profile", func(t *testing.T) { systemCalls(t, nodes...) })
	served(t, c)
	anyAge(t, c)
}
