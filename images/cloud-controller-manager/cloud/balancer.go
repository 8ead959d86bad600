package cloud

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
)

// AddressesAnnotation is the annotation of a Service that requests certain addresses: a
// comma-separated list with at most one address of each family. It takes precedence over
// spec.loadBalancerIP, which has one address and is deprecated.
const AddressesAnnotation = "mkube.dev/load-balancer-ips"

// status contains the addresses of one Service, in the order of its families.
type status []netip.Addr

// GetLoadBalancer returns the status of a Service's load balancer. A load balancer consists only of
// its addresses. The nodes hold the addresses, see package speaker.
func (c *Cloud) GetLoadBalancer(_ context.Context, _ string, s *corev1.Service) (*corev1.LoadBalancerStatus, bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	have, ok := c.given[s.UID]
	if !ok {
		have = statusOf(s)
	}
	return have.object(), len(have) > 0, nil
}

// GetLoadBalancerName returns the name of a load balancer for events.
func (c *Cloud) GetLoadBalancerName(_ context.Context, cluster string, s *corev1.Service) string {
	return cluster + "/" + s.Namespace + "/" + s.Name
}

// EnsureLoadBalancer assigns to a Service one address of each of its families that the cluster's
// network has. The Service keeps an address that it already has, unless it requests another one, the
// address is not in the pool, or another Service uses the address.
func (c *Cloud) EnsureLoadBalancer(_ context.Context, _ string, s *corev1.Service, _ []*corev1.Node) (*corev1.LoadBalancerStatus, error) {
	wanted, err := wantedBy(s)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	used, err := c.used(s.UID)
	if err != nil {
		return nil, err
	}
	have := append(slices.Clone(c.given[s.UID]), statusOf(s)...)
	var chosen status
	for _, family := range s.Spec.IPFamilies {
		a, ok, err := c.choose(family == corev1.IPv4Protocol, wanted, have, used)
		if err != nil {
			return nil, err
		}
		if ok {
			chosen = append(chosen, a)
		}
	}
	if len(chosen) == 0 {
		return nil, fmt.Errorf("the cluster's network has no address of the Service's families %v", s.Spec.IPFamilies)
	}
	if i := slices.IndexFunc(wanted, func(a netip.Addr) bool { return !slices.Contains(chosen, a) }); i >= 0 {
		return nil, fmt.Errorf("the address %s that is asked for is of no family that the Service has on the cluster's network", wanted[i])
	}
	c.given[s.UID] = chosen
	return chosen.object(), nil
}

// choose returns an address of a family: the requested one, else one that the Service already has,
// else a free one. ok is false if the network does not have the family.
func (c *Cloud) choose(ipv4 bool, wanted, have []netip.Addr, used map[netip.Addr]string) (a netip.Addr, ok bool, err error) {
	pool, ok := c.pools.Of(ipv4)
	if !ok {
		return netip.Addr{}, false, nil
	}
	sameFamily := func(a netip.Addr) bool { return a.Is4() == ipv4 }
	if i := slices.IndexFunc(wanted, sameFamily); i >= 0 {
		a := wanted[i]
		switch {
		case !pool.Contains(a):
			return a, false, fmt.Errorf("the address %s that is asked for is not one of %s", a, pool)
		case used[a] != "":
			return a, false, fmt.Errorf("the address %s that is asked for is that of Service %s", a, used[a])
		}
		return a, true, nil
	}
	free := func(a netip.Addr) bool { return used[a] == "" }
	if i := slices.IndexFunc(have, func(a netip.Addr) bool { return pool.Contains(a) && free(a) }); i >= 0 {
		return have[i], true, nil
	}
	a, ok = pool.Free(func(a netip.Addr) bool { return !free(a) })
	if !ok {
		return a, false, fmt.Errorf("all addresses of %s are in use: delete a Service of type LoadBalancer", pool)
	}
	return a, true, nil
}

// used returns the addresses of all Services except one, with the names of the Services. It combines
// the addresses that the API server returns with assigned addresses that it does not return yet.
func (c *Cloud) used(but types.UID) (map[netip.Addr]string, error) {
	services, err := c.services.List(labels.Everything())
	if err != nil {
		return nil, err
	}
	used := map[netip.Addr]string{}
	for _, s := range services {
		if s.UID == but {
			continue
		}
		for _, a := range statusOf(s) {
			used[a] = s.Namespace + "/" + s.Name
		}
	}
	for uid, given := range c.given {
		for _, a := range given {
			if uid != but && used[a] == "" {
				used[a] = "with UID " + string(uid)
			}
		}
	}
	return used, nil
}

// UpdateLoadBalancer does nothing, because the nodes themselves detect which nodes are alive.
func (c *Cloud) UpdateLoadBalancer(context.Context, string, *corev1.Service, []*corev1.Node) error {
	return nil
}

// EnsureLoadBalancerDeleted makes the addresses available to other Services. The nodes release the
// addresses when the status of the Service does not contain them any more.
func (c *Cloud) EnsureLoadBalancerDeleted(_ context.Context, _ string, s *corev1.Service) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.given, s.UID)
	return nil
}

// wantedBy returns the addresses that a Service requests.
func wantedBy(s *corev1.Service) ([]netip.Addr, error) {
	text, source := s.Annotations[AddressesAnnotation], "annotation "+AddressesAnnotation
	if text == "" {
		text, source = s.Spec.LoadBalancerIP, "spec.loadBalancerIP"
	}
	var wanted []netip.Addr
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		a, err := netip.ParseAddr(part)
		if err != nil {
			return nil, fmt.Errorf("%s is no list of addresses: %q is none", source, part)
		}
		if slices.ContainsFunc(wanted, func(b netip.Addr) bool { return a.Is4() == b.Is4() }) {
			return nil, errors.New(source + " asks for two addresses of one family")
		}
		wanted = append(wanted, a)
	}
	return wanted, nil
}

// statusOf returns the addresses in the status of a Service. It skips invalid addresses.
func statusOf(s *corev1.Service) status {
	var list status
	for _, ingress := range s.Status.LoadBalancer.Ingress {
		if a, err := netip.ParseAddr(ingress.IP); err == nil {
			list = append(list, a)
		}
	}
	return list
}

func (s status) object() *corev1.LoadBalancerStatus {
	object := new(corev1.LoadBalancerStatus)
	for _, a := range s {
		// VIP: packets arrive at a node with this address as their destination, and kube-proxy
		// forwards them to an endpoint.
		mode := corev1.LoadBalancerIPModeVIP
		object.Ingress = append(object.Ingress, corev1.LoadBalancerIngress{IP: a.String(), IPMode: &mode})
	}
	return object
}
