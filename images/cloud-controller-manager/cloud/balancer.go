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

// AddressesAnnotation asks for certain addresses, with commas between them, one of each
// family at most. It goes before spec.loadBalancerIP, which holds one address and is
// deprecated.
const AddressesAnnotation = "mkube.dev/load-balancer-ips"

// status are the addresses of one Service, in the order of its families.
type status []netip.Addr

// GetLoadBalancer is the status of a Service's load balancer, which is its addresses
// and nothing more: what holds them are the nodes, see package speaker.
func (c *Cloud) GetLoadBalancer(_ context.Context, _ string, s *corev1.Service) (*corev1.LoadBalancerStatus, bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	have, ok := c.given[s.UID]
	if !ok {
		have = statusOf(s)
	}
	return have.object(), len(have) > 0, nil
}

// GetLoadBalancerName is what events call it.
func (c *Cloud) GetLoadBalancerName(_ context.Context, cluster string, s *corev1.Service) string {
	return cluster + "/" + s.Namespace + "/" + s.Name
}

// EnsureLoadBalancer gives a Service an address of each of its families that the
// cluster's network has. One that it has already it keeps, as long as that is one
// that it may have.
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

// choose is an address of a family: the one asked for, else one that the Service has
// already, else a free one. It is none where the network has no such family.
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

// used are the addresses of all other Services, by what the API server shows and by
// what was given and is not shown yet.
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

// UpdateLoadBalancer does nothing: the nodes find out by themselves who of them is
// there.
func (c *Cloud) UpdateLoadBalancer(context.Context, string, *corev1.Service, []*corev1.Node) error {
	return nil
}

// EnsureLoadBalancerDeleted makes the addresses free for others. The nodes let go of
// them when the Service's status no longer shows them.
func (c *Cloud) EnsureLoadBalancerDeleted(_ context.Context, _ string, s *corev1.Service) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.given, s.UID)
	return nil
}

// wantedBy are the addresses that a Service asks for.
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

// statusOf is what a Service's status shows; what is no address there is left out.
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
		// VIP: packets come to a node with this address as their destination, and
		// kube-proxy leads them on.
		mode := corev1.LoadBalancerIPModeVIP
		object.Ingress = append(object.Ingress, corev1.LoadBalancerIngress{IP: a.String(), IPMode: &mode})
	}
	return object
}
