package component_test

import (
	"encoding/json"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mkube/mkube/internal/testing/componenttest"
	"github.com/mkube/mkube/internal/testing/fake"
	"github.com/mkube/mkube/pkg/component"
	"github.com/mkube/mkube/pkg/config"
)

func TestProbe(t *testing.T) {
	t.Parallel()
	code := 0
	cl := componenttest.ClusterOf(t, config.Cluster{}, &fake.Provider{Answer: func(args []string) (string, int, bool) {
		return "", code, strings.Join(args, " ") == "mkube-probe http 10248 /healthz"
	}})
	probe := func(path string) string {
		return componenttest.Message(component.Probe(t.Context(), cl.Nodes[0], "http", 10248, path))
	}
	if got := probe("/healthz"); got != "" {
		t.Errorf("Probe = %s", got)
	}
	code = 22
	if got, want := probe("/healthz"), "running mkube-probe http 10248 /healthz on mkube-control-plane: exit code 22"; got != want {
		t.Errorf("Probe = %s; want %s", got, want)
	}
	if got, want := probe("/x"), "mkube-probe: command not found"; got != want {
		t.Errorf("Probe = %s; want %s", got, want)
	}
}

func object(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	o := new(unstructured.Unstructured)
	if err := json.Unmarshal([]byte(text), &o.Object); err != nil {
		t.Fatal(err)
	}
	return o
}

func TestPodState(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ status, want string }{
		{`{}`, "pod p is  and not Ready"},
		{`{"phase":"Pending"}`, "pod p is Pending and not Ready"},
		{`{"phase":"Running","conditions":[{"type":"Ready","status":"False"}]}`, "pod p is Running and not Ready"},
		{`{"phase":"Running","conditions":[{"type":"Initialized","status":"True"},{"type":"Ready","status":"True"}]}`, ""},
		{`{"containerStatuses":[{"state":{"waiting":{"reason":"CrashLoopBackOff"}}}]}`, "pod p: CrashLoopBackOff"},
		{`{"containerStatuses":[{"state":{"running":{}}},{"state":{"waiting":{"reason":"ErrImagePull","message":"no"}}}]}`, "pod p: ErrImagePull: no"},
	} {
		pod := object(t, `{"metadata":{"name":"p"},"status":`+test.status+`}`)
		if got := componenttest.Message(component.PodState(pod)); got != test.want {
			t.Errorf("PodState of %s = %q; want %q", test.status, got, test.want)
		}
	}
}

func TestCondition(t *testing.T) {
	t.Parallel()
	o := object(t, `{"status":{"conditions":["odd",{"type":"A","status":"True","message":"yes"},{"type":"B"}]}}`)
	for kind, want := range map[string][2]string{"A": {"True", "yes"}, "B": {}, "C": {}} {
		if got := [2]string{component.Condition(o, kind), component.ConditionMessage(o, kind)}; got != want {
			t.Errorf("condition %s is %q; want %q", kind, got, want)
		}
	}
}

// TestHealthy checks that the endpoint decides, and that the error has the API's reason if the
// endpoint fails.
func TestHealthy(t *testing.T) {
	t.Parallel()
	const (
		pod   = "/api/v1/namespaces/kube-system/pods/kube-scheduler-mkube-control-plane"
		probe = "running mkube-probe https 10259 /healthz on mkube-control-plane: exit code 1"
	)
	code := 1
	api := componenttest.NewAPIOf(t, config.Cluster{}, componenttest.Probed(&code))
	ready := func(want string) {
		t.Helper()
		healthy := component.Healthy("kube-scheduler", "https", 10259, "/healthz")
		if got := componenttest.Message(healthy(t.Context(), api.Cluster, api.Cluster.Nodes[0])); got != want {
			t.Errorf("Healthy = %q; want %q", got, want)
		}
	}
	ready(probe) // the pod does not exist
	api.Object(pod, `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"x"},"status":{"phase":"Running"}}`)
	ready(probe)
	api.Object(pod, `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"x"},
		"status":{"containerStatuses":[{"state":{"waiting":{"reason":"CreateContainerError","message":"no such file"}}}]}}`)
	ready("pod kube-scheduler-mkube-control-plane: CreateContainerError: no such file")
	code = 0
	ready("")
}

func TestNodesAndInert(t *testing.T) {
	t.Parallel()
	cl := componenttest.Cluster(t, config.Cluster{Nodes: []config.Node{{Role: config.Worker}, {}}})
	names := func(c component.Component) (list []string) {
		for _, n := range c.Nodes(cl) {
			list = append(list, n.Name())
		}
		return list
	}
	want(t, "nodes of a component everywhere", names(component.Component{}), []string{"mkube-worker", "mkube-control-plane"})
	want(t, "nodes of the control plane", names(component.Component{Content: component.Content{On: component.ControlPlanes}}), []string{"mkube-control-plane"})
	if files, err := (component.Component{}).RenderFiles(cl, cl.Nodes[0]); files != nil || err != nil {
		t.Errorf("RenderFiles of nothing = %v, %v", files, err)
	}
	if files, err := thing().RenderFiles(cl, cl.Nodes[0]); len(files) != 1 || files[0].Path != "/etc/thing" || err != nil {
		t.Errorf("RenderFiles = %v, %v; want no manifest among it", files, err)
	}
}
