// Package view provides the state of the cluster that a speaker needs. It watches the API server.
// While the API server is not available, the last known state applies.
package view

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"sync"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	discoverylisters "k8s.io/client-go/listers/discovery/v1"
	"k8s.io/client-go/tools/cache"

	"github.com/mkube/mkube/images/cloud-controller-manager/addresses"
	"github.com/mkube/mkube/images/cloud-controller-manager/speaker"
)

// Cluster implements speaker.View. Use Watch to create it.
type Cluster struct {
	pools    addresses.Pools
	nodes    corelisters.NodeLister
	services corelisters.ServiceLister
	changed  chan struct{}

	// EndpointSlices are watched only once there is a Service with externalTrafficPolicy Local,
	// because most clusters have none, and EndpointSlices change often.
	watchSlices func() (discoverylisters.EndpointSliceLister, cache.InformerSynced)
}

// Watch starts to watch the API server, until the context ends. It returns when it has the current
// nodes and Services. Only addresses of the pools become claims.
func Watch(ctx context.Context, client kubernetes.Interface, pools addresses.Pools) (*Cluster, error) {
	c := &Cluster{pools: pools, changed: make(chan struct{}, 1)}
	all := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithTransform(slim))
	balanced := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithTransform(slim),
		informers.WithTweakListOptions(func(o *metav1.ListOptions) {
			o.FieldSelector = fields.OneTermEqualSelector("spec.type", string(corev1.ServiceTypeLoadBalancer)).String()
		}))
	c.nodes, c.services = all.Core().V1().Nodes().Lister(), balanced.Core().V1().Services().Lister()
	for _, i := range []cache.SharedIndexInformer{all.Core().V1().Nodes().Informer(), balanced.Core().V1().Services().Informer()} {
		if _, err := i.AddEventHandler(c.handler()); err != nil {
			return nil, err
		}
	}
	c.watchSlices = sync.OnceValues(func() (discoverylisters.EndpointSliceLister, cache.InformerSynced) {
		slices := all.Discovery().V1().EndpointSlices()
		// AddEventHandler fails only if the informer has stopped. This one has not started.
		_, _ = slices.Informer().AddEventHandler(c.handler())
		all.Start(ctx.Done())
		return slices.Lister(), slices.Informer().HasSynced
	})
	all.Start(ctx.Done())
	balanced.Start(ctx.Done())
	if !cache.WaitForCacheSync(ctx.Done(), all.Core().V1().Nodes().Informer().HasSynced, balanced.Core().V1().Services().Informer().HasSynced) {
		return nil, fmt.Errorf("watching nodes and Services: %w", context.Cause(ctx))
	}
	return c, nil
}

// slim removes parts of an object that this package does not use.
func slim(object any) (any, error) {
	switch o := object.(type) {
	case *corev1.Node:
		return &corev1.Node{
			ObjectMeta: metav1.ObjectMeta{Name: o.Name, UID: o.UID, ResourceVersion: o.ResourceVersion, Labels: o.Labels, DeletionTimestamp: o.DeletionTimestamp},
			Status:     corev1.NodeStatus{Addresses: o.Status.Addresses},
		}, nil
	case metav1.Object:
		o.SetManagedFields(nil)
		o.SetAnnotations(nil)
	}
	return object, nil
}

func (c *Cluster) handler() cache.ResourceEventHandler {
	return cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { c.notify() },
		UpdateFunc: func(any, any) { c.notify() },
		DeleteFunc: func(any) { c.notify() },
	}
}

func (c *Cluster) notify() {
	select {
	case c.changed <- struct{}{}:
	default: // a notification is already pending
	}
}

// Changed returns a channel that receives a value after members or claims may have changed.
func (c *Cluster) Changed() <-chan struct{} { return c.changed }

// Members returns the cluster's nodes that have an internal IP address.
func (c *Cluster) Members() []speaker.Member {
	nodes, err := c.nodes.List(labels.Everything())
	if err != nil { // a lister that reads from memory never returns an error
		return nil
	}
	var members []speaker.Member
	for _, n := range nodes {
		if a, ok := internalIP(n); ok {
			members = append(members, speaker.Member{Name: n.Name, Address: a, Excluded: excluded(n)})
		}
	}
	return members
}

func internalIP(n *corev1.Node) (netip.Addr, bool) {
	for _, a := range n.Status.Addresses {
		if ip, err := netip.ParseAddr(a.Address); err == nil && a.Type == corev1.NodeInternalIP {
			return ip, true
		}
	}
	return netip.Addr{}, false
}

// excluded reports whether a label excludes a node from load balancers. As in the service controller
// of Kubernetes, the label excludes without a value, and with any value that is not false.
func excluded(n *corev1.Node) bool {
	value, labelled := n.Labels[corev1.LabelNodeExcludeBalancers]
	if exclude, err := strconv.ParseBool(value); err == nil {
		return exclude
	}
	return labelled
}

// Claims returns the addresses of Services of type LoadBalancer. It skips Services with a
// loadBalancerClass, because another controller handles them.
func (c *Cluster) Claims() []speaker.Claim {
	services, err := c.services.List(labels.Everything())
	if err != nil { // a lister that reads from memory never returns an error
		return nil
	}
	var claims []speaker.Claim
	for _, s := range services {
		if s.Spec.Type != corev1.ServiceTypeLoadBalancer || s.Spec.LoadBalancerClass != nil {
			continue
		}
		for _, ingress := range s.Status.LoadBalancer.Ingress {
			a, err := netip.ParseAddr(ingress.IP)
			if err != nil || !c.pools.Contains(a) {
				continue
			}
			claims = append(claims, speaker.Claim{Address: a, On: c.allowed(s, a)})
		}
	}
	return claims
}

// allowed returns the nodes that may hold an address of a Service. With the policy Local, these are
// the nodes with a ready endpoint of the address's family. Otherwise, it returns nil for all nodes.
func (c *Cluster) allowed(s *corev1.Service, a netip.Addr) map[string]bool {
	if s.Spec.ExternalTrafficPolicy != corev1.ServiceExternalTrafficPolicyLocal {
		return nil
	}
	on := map[string]bool{}
	lister, synced := c.watchSlices()
	if !synced() {
		return on
	}
	slices, err := lister.EndpointSlices(s.Namespace).List(labels.SelectorFromSet(labels.Set{discoveryv1.LabelServiceName: s.Name}))
	if err != nil { // a lister that reads from memory never returns an error
		return on
	}
	for _, slice := range slices {
		if (slice.AddressType == discoveryv1.AddressTypeIPv4) != a.Is4() {
			continue
		}
		for _, e := range slice.Endpoints {
			if e.NodeName != nil && (e.Conditions.Ready == nil || *e.Conditions.Ready) {
				on[*e.NodeName] = true
			}
		}
	}
	return on
}
