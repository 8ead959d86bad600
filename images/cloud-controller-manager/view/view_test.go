package view_test

import (
	"context"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/mkube/mkube/images/cloud-controller-manager/addresses"
	"github.com/mkube/mkube/images/cloud-controller-manager/speaker"
	"github.com/mkube/mkube/images/cloud-controller-manager/view"
)

func node(name, address string, labels map[string]string) *corev1.Node {
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels},
		Status:     corev1.NodeStatus{Addresses: []corev1.NodeAddress{{Type: "Hostname", Address: name}, {Type: "InternalIP", Address: address}}},
	}
}

func service(name string, change func(*corev1.Service), shown ...string) *corev1.Service {
	s := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
		Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeLoadBalancer},
	}
	for _, a := range shown {
		s.Status.LoadBalancer.Ingress = append(s.Status.LoadBalancer.Ingress, corev1.LoadBalancerIngress{IP: a})
	}
	if change != nil {
		change(s)
	}
	return s
}

func pools() addresses.Pools {
	return addresses.PoolsOf([]netip.Prefix{netip.MustParsePrefix("10.89.0.2/24"), netip.MustParsePrefix("fd00::2/64")})
}

// eventually waits for changes until a condition is true.
func eventually(t *testing.T, c *view.Cluster, what string, ask func() bool) {
	t.Helper()
	timeout := time.After(10 * time.Second)
	for !ask() {
		select {
		case <-c.Changed():
		case <-timeout:
			t.Fatalf("still not: %s", what)
		}
	}
}

func TestMembers(t *testing.T) {
	t.Parallel()
	const label = corev1.LabelNodeExcludeBalancers
	nameless := node("no-address", "x", nil)
	client := fake.NewClientset(node("a", "10.89.0.2", nil), node("b", "10.89.0.3", map[string]string{label: ""}),
		node("c", "10.89.0.4", map[string]string{label: "false"}), node("d", "fd00::5", map[string]string{label: "yes"}), nameless)
	c, err := view.Watch(t.Context(), client, pools())
	if err != nil {
		t.Fatal(err)
	}
	got := c.Members()
	slices.SortFunc(got, func(a, b speaker.Member) int { return a.Address.Compare(b.Address) })
	want := []speaker.Member{
		{Name: "a", Address: netip.MustParseAddr("10.89.0.2")}, {Name: "b", Address: netip.MustParseAddr("10.89.0.3"), Excluded: true},
		{Name: "c", Address: netip.MustParseAddr("10.89.0.4")}, {Name: "d", Address: netip.MustParseAddr("fd00::5"), Excluded: true},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the members are %+v; want %+v", got, want)
	}
	if err := client.CoreV1().Nodes().Delete(t.Context(), "a", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, c, "a deleted node is gone", func() bool { return len(c.Members()) == 3 })
}

func TestClaims(t *testing.T) {
	t.Parallel()
	client := fake.NewClientset(
		service("both", nil, "10.89.0.200", "fd00::c000:0:0:5"),
		service("none-yet", nil),
		service("outside", nil, "10.89.0.1", "192.0.2.1", "nonsense"),
		service("of-a-class", func(s *corev1.Service) { s.Spec.LoadBalancerClass = new("else") }, "10.89.0.201"),
		service("no-more", func(s *corev1.Service) { s.Spec.Type = corev1.ServiceTypeClusterIP }, "10.89.0.202"),
	)
	c, err := view.Watch(t.Context(), client, pools())
	if err != nil {
		t.Fatal(err)
	}
	want := []speaker.Claim{{Address: netip.MustParseAddr("10.89.0.200")}, {Address: netip.MustParseAddr("fd00::c000:0:0:5")}}
	if got := c.Claims(); !reflect.DeepEqual(got, want) {
		t.Errorf("the claims are %+v; want %+v", got, want)
	}
	if _, err := client.CoreV1().Services("default").Create(t.Context(), service("new", nil, "10.89.0.203"), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, c, "a new Service's address is claimed", func() bool { return len(c.Claims()) == 3 })
	for _, a := range client.Actions() {
		if a.GetResource().Resource == "endpointslices" {
			t.Error("EndpointSlices are watched though no Service needs it")
		}
	}
}

func slice(name string, family discoveryv1.AddressType, endpoints map[string]*bool) *discoveryv1.EndpointSlice {
	s := &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Namespace: "default", Name: name, Labels: map[string]string{discoveryv1.LabelServiceName: "local"}},
		AddressType: family,
	}
	for node, ready := range endpoints {
		s.Endpoints = append(s.Endpoints, discoveryv1.Endpoint{NodeName: &node, Conditions: discoveryv1.EndpointConditions{Ready: ready}})
	}
	return s
}

func TestLocalServices(t *testing.T) {
	t.Parallel()
	local := service("local", func(s *corev1.Service) { s.Spec.ExternalTrafficPolicy = corev1.ServiceExternalTrafficPolicyLocal }, "10.89.0.200")
	other := slice("other", discoveryv1.AddressTypeIPv4, map[string]*bool{"d": nil})
	other.Labels[discoveryv1.LabelServiceName] = "other"
	client := fake.NewClientset(local, other,
		slice("four", discoveryv1.AddressTypeIPv4, map[string]*bool{"a": new(true), "b": new(false), "c": nil}),
		slice("six", discoveryv1.AddressTypeIPv6, map[string]*bool{"e": new(true)}))
	c, err := view.Watch(t.Context(), client, pools())
	if err != nil {
		t.Fatal(err)
	}
	if claims := c.Claims(); len(claims) != 1 || claims[0].On == nil {
		t.Errorf("before the endpoints are known the claims are %+v; want one that no node may hold", claims)
	}
	eventually(t, c, "nodes with ready endpoints may hold it", func() bool {
		return reflect.DeepEqual(c.Claims()[0].On, map[string]bool{"a": true, "c": true})
	})
	if err := client.DiscoveryV1().EndpointSlices("default").Delete(t.Context(), "four", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, c, "without endpoints no node may", func() bool { return len(c.Claims()[0].On) == 0 })
}

func TestWatchEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := view.Watch(ctx, fake.NewClientset(), pools()); err == nil {
		t.Error("it knows the cluster though it had no time to look")
	}
}
