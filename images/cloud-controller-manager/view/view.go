// Package view is what a speaker needs to know of the cluster, watched in the API
// server. When the server is away, the last that was known holds.
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

// Cluster is a speaker's View. Make it by Watch.
type Cluster struct {
	pools    addresses.Pools
	nodes    corelisters.NodeLister
	services corelisters.ServiceLister
	changed  chan struct{}

	// Slices are watched once there is a Service with externalTrafficPolicy Local:
	// most clusters have none, and slices change often.
	watchSlices func() (discoverylisters.EndpointSliceLister, cache.InformerSynced)
}

// Watch begins to watch, until the context ends, and returns when it knows what there
// is. Only addresses of the pools are claimed.
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
		// It fails for an informer that has stopped, and this one has not begun.
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

// slim keeps of an object what is needed here.
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
	default: // it is told already
	}
}

// Changed yields after members or claims may have changed.
func (c *Cluster) Changed() <-chan struct{} { return c.changed }

// Members are the cluster's nodes.
func (c *Cluster) Members() []speaker.Member {
	nodes, err := c.nodes.List(labels.Everything())
	if err != nil { // which a lister of memory never says
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

// excluded heeds the label as Kubernetes' service controller does: without a value, and
// with any that is not false, it excludes.
func excluded(n *corev1.Node) bool {
	value, labelled := n.Labels[corev1.LabelNodeExcludeBalancers]
	if exclude, err := strconv.ParseBool(value); err == nil {
		return exclude
	}
	return labelled
}

// Claims are the addresses of Services of type LoadBalancer that are nobody else's
// business, by a class.
func (c *Cluster) Claims() []speaker.Claim {
	services, err := c.services.List(labels.Everything())
	if err != nil { // which a lister of memory never says
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

// allowed are the nodes that may hold a Service's address: with the policy Local, those
// with a ready endpoint of the address's family; else all, which is nil.
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
	if err != nil { // which a lister of memory never says
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
