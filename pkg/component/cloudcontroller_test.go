package component_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
	strict "sigs.k8s.io/yaml"

	"github.com/mkube/mkube/internal/testing/componenttest"
	"github.com/mkube/mkube/internal/testing/fake"
	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/component"
	"github.com/mkube/mkube/pkg/component/cloudcontroller"
	"github.com/mkube/mkube/pkg/component/kubelet"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
)

// cloudController returns the component with its list of nodes as a file, so that Golden
// compares the list.
func cloudController() component.Component {
	c := cloudcontroller.New(kubelet.CloudFile)
	files := c.Files
	c.Files = func(cl *cluster.Cluster, n provider.Node) ([]provider.File, error) {
		list, err := files(cl, n)
		if err != nil {
			return nil, err
		}
		nodes, err := cloudcontroller.List(cl)
		if err != nil {
			return nil, err
		}
		data, err := strict.Marshal(nodes)
		return append(list, provider.File{Path: "nodes.yaml", Data: data}), err
	}
	return c
}

func TestCloudControllerGolden(t *testing.T) {
	t.Parallel()
	three := config.Cluster{Nodes: []config.Node{{}, {Role: config.Worker}, {Role: config.Worker, Labels: map[string]string{
		"topology.kubernetes.io/zone": "b", "topology.kubernetes.io/region": "r", "node.kubernetes.io/instance-type": "large", "else": "x",
	}}}}
	componenttest.Golden(t, cloudController(),
		componenttest.Variant{Name: "extra-args", Config: config.Cluster{ExtraArgs: map[string]map[string]string{
			"cloud-controller-manager": {"cluster-name": "else", "v": "2"},
		}}},
		componenttest.Variant{Name: "feature-gates", Config: config.Cluster{FeatureGates: map[string]bool{"Zebra": true, "Ant": false}}},
		componenttest.Variant{Name: "two-control-planes", Config: config.Cluster{Nodes: []config.Node{{}, {}}}, Node: 1},
		componenttest.Variant{Name: "worker", Config: three, Node: 2},
		componenttest.Variant{Name: "dual-stack", Config: config.Cluster{Networking: config.Networking{IPFamily: config.DualStack}}},
	)
}

func TestCloudControllerStaticPod(t *testing.T) {
	t.Parallel()
	componenttest.StaticPod(t, cloudcontroller.New(kubelet.CloudFile))
}

func TestCloudControllerDescribed(t *testing.T) {
	t.Parallel()
	componenttest.Described(t, cloudcontroller.New(kubelet.CloudFile))
}

// TestCloudControllerExtraArgsAreTheControllers checks that a speaker on a worker gets no extra
// arguments, because it does not have most of the flags.
func TestCloudControllerExtraArgsAreTheControllers(t *testing.T) {
	t.Parallel()
	cl := componenttest.Cluster(t, config.Cluster{
		Nodes:     []config.Node{{}, {Role: config.Worker}},
		ExtraArgs: map[string]map[string]string{"cloud-controller-manager": {"concurrent-service-syncs": "2"}},
	})
	for i, want := range []bool{true, false} {
		manifest, err := cloudcontroller.New(kubelet.CloudFile).Manifest(cl, cl.Nodes[i])
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(string(manifest.Data), "concurrent-service-syncs"); got != want {
			t.Errorf("the flag is on %s: %t; want %t", cl.Nodes[i].Name(), got, want)
		}
	}
}

// TestCloudControllerObjects checks that each object is a Kubernetes object without unknown
// fields, and that every binding is to an existing role, for one of the users.
func TestCloudControllerObjects(t *testing.T) {
	t.Parallel()
	data, err := cloudcontroller.Objects(nil)
	if err != nil {
		t.Fatal(err)
	}
	roles, bound := map[string]bool{}, map[string]bool{}
	for decoder := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(data))); ; {
		doc, err := decoder.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		// All four kinds have metadata, and the fields of two kinds are enough to read all.
		var kind struct{ Kind string }
		var role rbacv1.ClusterRole
		var binding rbacv1.ClusterRoleBinding
		if err := strict.Unmarshal(doc, &kind); err != nil {
			t.Fatal(err)
		}
		if name, isBinding := strings.CutSuffix(kind.Kind, "Binding"); isBinding {
			err = strict.UnmarshalStrict(doc, &binding)
			bound[name+" "+binding.RoleRef.Name] = binding.RoleRef.Kind == name && len(binding.Subjects) > 0
		} else {
			err = strict.UnmarshalStrict(doc, &role)
			roles[kind.Kind+" "+role.Name] = len(role.Rules) > 0
		}
		if err != nil {
			t.Errorf("%s: %v", kind.Kind, err)
		}
	}
	if len(roles) != 3 || len(bound) != 3 {
		t.Errorf("there are the roles %v and the bindings %v; want three of each", roles, bound)
	}
	for name, hasRules := range roles {
		if !hasRules || !bound[name] {
			t.Errorf("%s has rules: %t, is bound: %t", name, hasRules, bound[name])
		}
	}
}

const nodeList = "/api/v1/namespaces/kube-system/configmaps/mkube-nodes"

func TestCloudControllerStart(t *testing.T) {
	t.Parallel()
	restarted := ""
	p := &fake.Provider{Answer: func([]string) (string, int, bool) { return restarted, 0, true }}
	api := componenttest.NewAPIOf(t, config.Cluster{Nodes: []config.Node{{}, {Role: config.Worker}}}, p)
	for range 2 { // the second time, everything exists already
		for _, n := range api.Cluster.Nodes {
			if err := cloudcontroller.New(kubelet.CloudFile).Start(context.Background(), api.Cluster, n); err != nil {
				t.Fatal(err)
			}
		}
	}
	restarted = "restarted\n"
	const node = "/api/v1/nodes/mkube-worker"
	api.Object(node, `{"apiVersion":"v1","kind":"Node","metadata":{"name":"mkube-worker"},"spec":{"taints":[{"key":"a","effect":"NoExecute"}]}}`)
	patch := ""
	api.Handle(node, func(w http.ResponseWriter, r *http.Request) {
		if body, err := io.ReadAll(r.Body); err == nil && r.Method == http.MethodPatch {
			patch = string(body)
		}
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, api.At(node))
	})
	if err := cloudcontroller.New(kubelet.CloudFile).Start(context.Background(), api.Cluster, api.Cluster.Nodes[1]); err != nil {
		t.Fatal(err)
	}
	if want := `{"spec":{"taints":[{"effect":"NoExecute","key":"a"},{"effect":"NoSchedule","key":"node.cloudprovider.kubernetes.io/uninitialized","value":"true"}]}}`; patch != want {
		t.Errorf("a node whose kubelet was told of the cloud was patched by %s; want %s", patch, want)
	}
	if created := componenttest.Created(t, cloudcontroller.New(kubelet.CloudFile)); len(created) != 6 {
		t.Errorf("it created %q; want three roles and three bindings", created)
	}
	if got, want := api.Applied(), []string{nodeList, nodeList}; !slices.Equal(got, want) {
		t.Errorf("it applied %q; want %q", got, want)
	}
}

func TestCloudControllerListFollowsTheNodes(t *testing.T) {
	t.Parallel()
	names := func(cl *cluster.Cluster) []string {
		object, err := cloudcontroller.List(cl)
		if err != nil {
			t.Fatal(err)
		}
		var list []string
		for name, text := range object.Object["data"].(map[string]any) {
			var entry struct{ Addresses []string }
			if err := json.Unmarshal([]byte(text.(string)), &entry); err != nil || len(entry.Addresses) != 1 {
				t.Errorf("of %s it says %s: %v", name, text, err)
			}
			list = append(list, name)
		}
		slices.Sort(list)
		return list
	}
	cl := componenttest.Cluster(t, config.Cluster{Nodes: []config.Node{{}, {}, {Role: config.Worker}}})
	// The load balancer is not a node of Kubernetes.
	if got, want := names(cl), []string{"mkube-control-plane", "mkube-control-plane2", "mkube-worker"}; !slices.Equal(got, want) {
		t.Errorf("the list has %q; want %q", got, want)
	}
	rest := cluster.New(cl.Config, cl.Nodes[1:2], cl.PKI)
	if got, want := names(rest), []string{"mkube-control-plane2"}; !slices.Equal(got, want) {
		t.Errorf("the list has %q; want %q", got, want)
	}
}

func TestCloudControllerReady(t *testing.T) {
	t.Parallel()
	const node = "/api/v1/nodes/mkube-control-plane"
	code := 1
	api := componenttest.NewAPIOf(t, config.Cluster{}, componenttest.Probed(&code))
	ready := func(want string) {
		t.Helper()
		if got := componenttest.Message(cloudcontroller.New(kubelet.CloudFile).Ready(context.Background(), api.Cluster, api.Cluster.Nodes[0])); got != want {
			t.Errorf("Ready = %q; want %q", got, want)
		}
	}
	ready("running mkube-probe http 10258 /healthz on mkube-control-plane: exit code 1")
	code = 0
	ready("could not find " + node)
	tainted := `{"apiVersion":"v1","kind":"Node","metadata":{"name":"mkube-control-plane"},"spec":{"taints":[
		{"key":"example.com/x","effect":"NoSchedule"},{"key":"node.cloudprovider.kubernetes.io/uninitialized","value":"true","effect":"NoSchedule"}]}}`
	api.Object(node, tainted)
	ready("node mkube-control-plane is not initialized")
	api.Object(node, strings.Replace(tainted, "node.cloudprovider.kubernetes.io/uninitialized", "example.com/y", 1))
	ready("")
}
