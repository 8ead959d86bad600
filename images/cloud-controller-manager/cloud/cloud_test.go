package cloud_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/rest"
	k8stesting "k8s.io/client-go/testing"

	"github.com/mkube/mkube/images/cloud-controller-manager/addresses"
	"github.com/mkube/mkube/images/cloud-controller-manager/cloud"
)

// clients is a ControllerClientBuilder that always returns the same client.
type clients struct{ kubernetes.Interface }

func (c clients) Config(string) (*rest.Config, error)         { return nil, errors.New("there is none") }
func (c clients) ConfigOrDie(string) *rest.Config             { panic("there is none") }
func (c clients) Client(string) (kubernetes.Interface, error) { return c.Interface, nil }
func (c clients) ClientOrDie(string) kubernetes.Interface     { return c.Interface }

// rig returns a cloud with a fake API server that has objects.
func rig(t *testing.T, networks []string, objects ...runtime.Object) (*cloud.Cloud, *fake.Clientset) {
	t.Helper()
	client := fake.NewClientset(objects...)
	var prefixes []netip.Prefix
	for _, n := range networks {
		prefixes = append(prefixes, netip.MustParsePrefix(n))
	}
	c := cloud.New("blue", addresses.PoolsOf(prefixes))
	c.Initialize(clients{client}, nil)
	factory := informers.NewSharedInformerFactory(client, 0)
	c.SetInformers(factory)
	factory.Core().V1().Services().Informer()
	factory.Start(t.Context().Done())
	factory.WaitForCacheSync(t.Context().Done())
	return c, client
}

func list(data map[string]string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: cloud.ListNamespace, Name: cloud.ListName}, Data: data}
}

const worker = `{"addresses":["10.89.0.3","fd00::3"],"instanceType":"small","zone":"a","region":"blue"}`

func node(name, providerID string) *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.NodeSpec{ProviderID: providerID}}
}

func TestInstanceMetadata(t *testing.T) {
	t.Parallel()
	c, _ := rig(t, nil, list(map[string]string{"blue-worker": worker, "blue-odd": "{"}))
	m, err := c.InstanceMetadata(t.Context(), node("blue-worker", ""))
	if err != nil {
		t.Fatal(err)
	}
	if m.ProviderID != "mkube://blue/blue-worker" || m.InstanceType != "small" || m.Zone != "a" || m.Region != "blue" {
		t.Errorf("the metadata are %+v", m)
	}
	want := []corev1.NodeAddress{{Type: "Hostname", Address: "blue-worker"}, {Type: "InternalIP", Address: "10.89.0.3"}, {Type: "InternalIP", Address: "fd00::3"}}
	if !reflect.DeepEqual(m.NodeAddresses, want) {
		t.Errorf("the addresses are %v; want %v", m.NodeAddresses, want)
	}
	for name, want := range map[string]string{
		"blue-worker2": "node blue-worker2 is not in ConfigMap kube-system/mkube-nodes",
		"blue-odd":     "reading what ConfigMap kube-system/mkube-nodes says of node blue-odd: ",
	} {
		if _, err := c.InstanceMetadata(t.Context(), node(name, "")); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("the metadata of %s: %v; want %s", name, err, want)
		}
	}
}

// TestInstanceExists checks that a node counts as deleted only if it was a node of the cluster and
// is not in the list any more.
func TestInstanceExists(t *testing.T) {
	t.Parallel()
	ours := node("blue-worker2", "mkube://blue/blue-worker2")
	for name, test := range map[string]struct {
		node    *corev1.Node
		objects []runtime.Object
		want    bool
	}{
		"listed":              {node("blue-worker", "mkube://blue/blue-worker"), []runtime.Object{list(map[string]string{"blue-worker": worker})}, true},
		"not listed":          {ours, []runtime.Object{list(map[string]string{"blue-worker": worker})}, false},
		"no list":             {ours, nil, true},
		"an empty list":       {ours, []runtime.Object{list(nil)}, true},
		"not initialised yet": {node("blue-worker2", ""), []runtime.Object{list(map[string]string{"blue-worker": worker})}, true},
		"somebody else's":     {node("kwok-0", "kwok://kwok-0"), []runtime.Object{list(map[string]string{"blue-worker": worker})}, true},
		"of another cluster":  {node("blue-worker2", "mkube://red/blue-worker2"), []runtime.Object{list(map[string]string{"blue-worker": worker})}, true},
	} {
		c, _ := rig(t, nil, test.objects...)
		if got, err := c.InstanceExists(t.Context(), test.node); got != test.want || err != nil {
			t.Errorf("%s: exists = %t, %v; want %t", name, got, err, test.want)
		}
	}
}

func TestInstanceExistsWhenTheListCannotBeRead(t *testing.T) {
	t.Parallel()
	c, client := rig(t, nil)
	client.PrependReactor("get", "configmaps", func(k8stesting.Action) (bool, runtime.Object, error) { return true, nil, errors.New("broken") })
	if got, err := c.InstanceExists(t.Context(), node("blue-worker2", "mkube://blue/blue-worker2")); !got || fmt.Sprint(err) != "reading the list of nodes: broken" {
		t.Errorf("exists = %t, %v", got, err)
	}
	if _, err := c.InstanceMetadata(t.Context(), node("blue-worker2", "")); fmt.Sprint(err) != "reading the list of nodes: broken" {
		t.Errorf("the metadata: %v", err)
	}
}

func TestInstanceShutdown(t *testing.T) {
	t.Parallel()
	c, _ := rig(t, nil)
	n := node("blue-worker", "")
	if down, err := c.InstanceShutdown(t.Context(), n); down || err != nil {
		t.Errorf("a node without addresses is shut down: %t, %v", down, err)
	}
	// On this machine's loopback interface, the connection is refused or a kubelet accepts it.
	n.Status.Addresses = []corev1.NodeAddress{{Type: "Hostname", Address: "x"}, {Type: "InternalIP", Address: "127.0.0.1"}}
	if down, err := c.InstanceShutdown(t.Context(), n); down || err != nil {
		t.Errorf("a node that answers is shut down: %t, %v", down, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if down, err := c.InstanceShutdown(ctx, n); down || err == nil {
		t.Errorf("of a node that was not asked: %t, %v", down, err)
	}
}

func service(name string, families ...corev1.IPFamily) *corev1.Service {
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID("uid-" + name)},
		Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeLoadBalancer, IPFamilies: families},
	}
}

func shown(s *corev1.Service, addresses ...string) *corev1.Service {
	for _, a := range addresses {
		s.Status.LoadBalancer.Ingress = append(s.Status.LoadBalancer.Ingress, corev1.LoadBalancerIngress{IP: a})
	}
	return s
}

func ensure(t *testing.T, c *cloud.Cloud, s *corev1.Service) []string {
	t.Helper()
	status, err := c.EnsureLoadBalancer(t.Context(), "blue", s, nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, i := range status.Ingress {
		if i.IPMode == nil || *i.IPMode != corev1.LoadBalancerIPModeVIP {
			t.Errorf("%s is no VIP", i.IP)
		}
		got = append(got, i.IP)
	}
	return got
}

const four, six = corev1.IPv4Protocol, corev1.IPv6Protocol

func TestEnsureLoadBalancer(t *testing.T) {
	t.Parallel()
	both := []string{"10.89.0.2/24", "fd00::2/64"}
	asks := func(s *corev1.Service, addresses string) *corev1.Service {
		s.Annotations = map[string]string{cloud.AddressesAnnotation: addresses}
		return s
	}
	byField := service("x", four)
	byField.Spec.LoadBalancerIP = "10.89.0.222"
	for name, test := range map[string]struct {
		service *corev1.Service
		want    []string
	}{
		"IPv4":                          {service("x", four), []string{"10.89.0.193"}}, // another Service has the first address
		"IPv6":                          {service("x", six), []string{"fd00::c000:0:0:0"}},
		"both":                          {service("x", six, four), []string{"fd00::c000:0:0:0", "10.89.0.193"}},
		"asked for by field":            {byField, []string{"10.89.0.222"}},
		"asked for by annotation":       {asks(service("x", four, six), "fd00::c000:0:0:9, 10.89.0.221"), []string{"10.89.0.221", "fd00::c000:0:0:9"}},
		"one of two asked for":          {asks(service("x", four, six), "fd00::c000:0:0:9"), []string{"10.89.0.193", "fd00::c000:0:0:9"}},
		"what it has":                   {shown(service("x", four), "10.89.0.230"), []string{"10.89.0.230"}},
		"what it has, and a new family": {shown(service("x", four, six), "10.89.0.230"), []string{"10.89.0.230", "fd00::c000:0:0:0"}},
		"less a family":                 {shown(service("x", six), "10.89.0.230", "fd00::c000:0:0:7"), []string{"fd00::c000:0:0:7"}},
		"had, but asks for another":     {asks(shown(service("x", four), "10.89.0.230"), "10.89.0.231"), []string{"10.89.0.231"}},
		"had what is another's":         {shown(service("x", four), "10.89.0.192"), []string{"10.89.0.193"}},
		"had what is in no pool":        {shown(service("x", four), "10.89.0.5", "nonsense"), []string{"10.89.0.193"}},
	} {
		c, _ := rig(t, both, shown(service("other", four), "10.89.0.192"))
		got := ensure(t, c, test.service)
		var want []string
		for _, a := range test.want {
			want = append(want, netip.MustParseAddr(a).String())
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %q; want %q", name, got, want)
		}
	}
}

func TestEnsureLoadBalancerRefuses(t *testing.T) {
	t.Parallel()
	for annotation, want := range map[string]string{
		"10.89.0.5":                "the address 10.89.0.5 that is asked for is not one of 10.89.0.192-10.89.0.254",
		"10.89.0.192":              "the address 10.89.0.192 that is asked for is that of Service default/other",
		"fd00::1":                  "the address fd00::1 that is asked for is of no family that the Service has on the cluster's network",
		"x":                        `annotation mkube.dev/load-balancer-ips is no list of addresses: "x" is none`,
		"10.89.0.200, 10.89.0.201": "annotation mkube.dev/load-balancer-ips asks for two addresses of one family",
	} {
		c, _ := rig(t, []string{"10.89.0.2/24"}, shown(service("other", four), "10.89.0.192"))
		s := service("x", four)
		s.Annotations = map[string]string{cloud.AddressesAnnotation: annotation}
		if _, err := c.EnsureLoadBalancer(t.Context(), "blue", s, nil); fmt.Sprint(err) != want {
			t.Errorf("asked for %s: %v; want %s", annotation, err, want)
		}
	}
	c, _ := rig(t, []string{"10.89.0.2/24"})
	if _, err := c.EnsureLoadBalancer(t.Context(), "blue", service("x", six), nil); fmt.Sprint(err) != "the cluster's network has no address of the Service's families [IPv6]" {
		t.Errorf("without IPv6: %v", err)
	}
}

// TestEachServiceHasAnAddressOfItsOwn checks that no two Services get the same address, also before
// the API server returns the assigned addresses. It uses all addresses of a pool, and checks that
// the address of a deleted Service becomes available.
func TestEachServiceHasAnAddressOfItsOwn(t *testing.T) {
	t.Parallel()
	c, _ := rig(t, []string{"192.168.1.17/28"}) // .28 to .30
	given := map[string]bool{}
	for _, name := range []string{"a", "b", "c"} {
		for range 2 { // a second request returns the same address
			given[ensure(t, c, service(name, four))[0]] = true
		}
	}
	if len(given) != 3 {
		t.Errorf("three Services have the addresses %v", given)
	}
	if _, err := c.EnsureLoadBalancer(t.Context(), "blue", service("d", four), nil); fmt.Sprint(err) != "all addresses of 192.168.1.28-192.168.1.30 are in use: delete a Service of type LoadBalancer" {
		t.Errorf("a fourth: %v", err)
	}
	b := service("b", four)
	status, exists, err := c.GetLoadBalancer(t.Context(), "blue", b)
	if err != nil || !exists || len(status.Ingress) != 1 {
		t.Fatalf("the second's load balancer: %v, %t, %v", status, exists, err)
	}
	if err := c.EnsureLoadBalancerDeleted(t.Context(), "blue", b); err != nil {
		t.Fatal(err)
	}
	if _, exists, _ := c.GetLoadBalancer(t.Context(), "blue", b); exists {
		t.Error("it exists after it was deleted")
	}
	if got := ensure(t, c, service("d", four)); got[0] != status.Ingress[0].IP {
		t.Errorf("the fourth has %q; want the second's", got)
	}
	if err := c.UpdateLoadBalancer(t.Context(), "blue", b, nil); err != nil {
		t.Error(err)
	}
	if got := c.GetLoadBalancerName(t.Context(), "blue", b); got != "blue/default/b" {
		t.Errorf("it is called %s", got)
	}
}

// TestARestartKeepsAddresses checks that a new process uses the addresses that the API server
// returns.
func TestARestartKeepsAddresses(t *testing.T) {
	t.Parallel()
	had := shown(service("x", four), "10.89.0.230")
	c, _ := rig(t, []string{"10.89.0.2/24"}, had)
	if _, exists, err := c.GetLoadBalancer(t.Context(), "blue", had); !exists || err != nil {
		t.Errorf("it exists: %t, %v", exists, err)
	}
	if got := ensure(t, c, had); got[0] != "10.89.0.230" {
		t.Errorf("it has %q", got)
	}
}

func TestCloudHasWhatIsUsed(t *testing.T) {
	t.Parallel()
	c, _ := rig(t, nil)
	_, balancer := c.LoadBalancer()
	_, instances := c.InstancesV2()
	_, old := c.Instances()
	_, zones := c.Zones()
	_, clusters := c.Clusters()
	_, routes := c.Routes()
	if !balancer || !instances || old || zones || clusters || routes || c.ProviderName() != "mkube" || !c.HasClusterID() {
		t.Error("the cloud is not as Kubernetes' controllers take it")
	}
}
