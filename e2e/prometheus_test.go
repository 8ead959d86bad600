//go:build e2e && nightly

package e2e

import (
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// monitoring is the namespace of the test.
const monitoring = "monitoring"

// TestPrometheus installs prometheus-operator with helm. It runs a Prometheus on each of two
// nodes. Both watch the cluster and notice that a kubelet has stopped.
func TestPrometheus(t *testing.T) {
	t.Parallel()
	helm, operator := filepath.Join(tools(t, "helm", ""), "helm"), tools(t, "operator", "")
	// Prometheus needs only one of its ways to discover targets.
	prometheus := tools(t, "prometheus", "remove_all_sd,enable_kubernetes_sd")
	c := create(t, "e2e-prometheus", "", "--workers", "1")
	loadProgram(t, c, "prometheus-operator", filepath.Join(operator, "operator"), "/bin/operator")
	loadProgram(t, c, "prometheus-config-reloader", filepath.Join(operator, "prometheus-config-reloader"), "/bin/prometheus-config-reloader")
	loadProgram(t, c, "prometheus", filepath.Join(prometheus, "prometheus"), "/bin/prometheus")
	h := useCharts(t, c, helm)
	h.install(t, c, monitoring, operatorChart(t),
		"images.operator=mkube/e2e-prometheus-operator:test", "images.reloader=mkube/e2e-prometheus-config-reloader:test")
	c.apply(t, manifest(t, "prometheus.yaml"), "apply", "--namespace", monitoring, "-f", "-")

	t.Run("the operator runs a Prometheus on each node", func(t *testing.T) {
		c.kubectl(t, "wait", "--namespace", monitoring, "--for=condition=Available", "--timeout=150s", "prometheus/e2e")
		nodes := c.kubectl(t, "get", "pods", "--namespace", monitoring, "--selector", "prometheus=e2e", "-o", `jsonpath={range .items[*]}{.spec.nodeName}{"\n"}{end}`)
		got := strings.Fields(nodes)
		slices.Sort(got)
		if want := c.nodes(); !slices.Equal(got, want) {
			t.Errorf("they run on %q, want %q", got, want)
		}
	})
	for _, pod := range []string{"prometheus-e2e-0", "prometheus-e2e-1"} {
		t.Run(pod+" reaches every kubelet, the API server, the operator and each Prometheus", func(t *testing.T) {
			c.sees(t, pod, `up{job="kubelet"} == 1`, "node", c.nodes()...)
			c.sees(t, pod, `up{job="apiserver"} == 1`, "namespace", "default")
			c.sees(t, pod, `up{job="prometheus-operator"} == 1`, "namespace", monitoring)
			c.sees(t, pod, `up{job="prometheus-operated"} == 1`, "pod", "prometheus-e2e-0", "prometheus-e2e-1")
			c.sees(t, pod, `count by (node) (kubelet_running_pods > 0)`, "node", c.nodes()...)
		})
	}
	t.Run("an alert fires for a node whose kubelet is gone, and no longer when it is back", func(t *testing.T) { alert(t, c) })
	t.Run("it can be uninstalled", func(t *testing.T) {
		c.kubectl(t, "delete", "prometheus,servicemonitors,prometheusrules", "--all", "--namespace", monitoring, "--timeout=180s")
		eventually(t, "the operator has deleted its StatefulSet", func() (bool, string) {
			out := c.kubectl(t, "get", "statefulsets", "--namespace", monitoring, "-o", "name")
			return out == "", out
		})
		h.run(t, "uninstall", monitoring, "--namespace", monitoring, "--wait", "--timeout", "2m")
		noneLeft(t, c, "prometheus", "deployments,clusterroles,clusterrolebindings")
	})
}

// nodes returns the names of the cluster's two nodes.
func (c cluster) nodes() []string { return []string{c.name + "-control-plane", c.name + "-worker"} }

// operatorChart returns the chart of testdata with the files of the operator's own module. The
// chart of the project moved to a repository that is not a Go module.
func operatorChart(t *testing.T) string {
	t.Helper()
	module, chart := sources(t, "operator", "github.com/prometheus-operator/prometheus-operator"), t.TempDir()
	for from, to := range map[string]string{
		"testdata/prometheus-operator":                            "",
		filepath.Join(module, "example/prometheus-operator-crd"):  "crds",
		filepath.Join(module, "example/rbac/prometheus-operator"): "manifests/operator",
		filepath.Join(module, "example/rbac/prometheus"):          "manifests/prometheus",
	} {
		if err := os.CopyFS(filepath.Join(chart, to), os.DirFS(from)); err != nil {
			t.Fatal(err)
		}
	}
	// This file is not part of the installation, but an example of its use.
	if err := os.Remove(filepath.Join(chart, "manifests/prometheus/prometheus.yaml")); err != nil {
		t.Fatal(err)
	}
	return chart
}

// alert stops the kubelet of the worker until Prometheus reports it, and starts it again.
func alert(t *testing.T, c cluster) {
	const pod, firing = "prometheus-e2e-0", `ALERTS{alertname="KubeletDown",alertstate="firing"}`
	worker := c.name + "-worker"
	c.sees(t, pod, firing, "node")
	mkube(t, "exec", worker, "--name", c.name, "--", "systemctl", "stop", "kubelet")
	c.sees(t, pod, firing, "node", worker)
	mkube(t, "exec", worker, "--name", c.name, "--", "systemctl", "start", "kubelet")
	c.sees(t, pod, firing, "node")
	c.kubectl(t, "wait", "--for=condition=Ready", "--timeout=180s", "node/"+worker)
}

// sees queries a Prometheus until the answer contains those values of a label, in any order.
func (c cluster) sees(t *testing.T, pod, query, label string, want ...string) {
	t.Helper()
	path := "/api/v1/namespaces/" + monitoring + "/pods/" + pod + ":9090/proxy/api/v1/query?query=" + url.QueryEscape(query)
	eventually(t, pod+" answers "+query, func() (bool, string) {
		r := try(t, "", "kubectl", "--name", c.name, "--", "get", "--raw", path)
		var answer struct {
			Data struct {
				Result []struct{ Metric map[string]string }
			}
		}
		if r.code != 0 || json.Unmarshal([]byte(r.stdout), &answer) != nil {
			return false, r.String()
		}
		var got []string
		for _, series := range answer.Data.Result {
			got = append(got, series.Metric[label])
		}
		slices.Sort(got)
		return slices.Equal(got, want), r.String()
	})
}
