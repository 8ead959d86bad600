package networkpolicies

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"time"

	v1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/informers"
	networkinglisters "k8s.io/client-go/listers/networking/v1"
	"k8s.io/client-go/tools/cache"
	"sigs.k8s.io/kube-network-policies/pkg/networkpolicy"
)

// state is what the API server and the files of CNI say about policies and pods.
type state struct {
	judge
	all networkinglisters.NetworkPolicyLister
	// changed receives a value after a change on which the rules of the node depend.
	changed chan struct{}
}

// newState returns the state of a node. It is empty until the informers of the factory run. node and
// cluster are the addresses of the pods of this node, and of all pods.
func newState(factory informers.SharedInformerFactory, name string, node, cluster []netip.Prefix) (*state, error) {
	namespaces, pods := factory.Core().V1().Namespaces(), factory.Core().V1().Pods()
	policies := factory.Networking().V1().NetworkPolicies()
	if err := pods.Informer().SetTransform(withoutManagedFields); err != nil {
		return nil, err
	}
	if err := pods.Informer().AddIndexers(cache.Indexers{byAddress: addresses}); err != nil {
		return nil, err
	}
	s := &state{
		judge: judge{
			identities: identities{node: node, cluster: cluster, sandboxes: nodeSandboxes, pods: pods.Informer().GetIndexer(), namespaces: namespaces.Lister()},
			policies:   networkpolicy.NewStandardNetworkPolicy(name, namespaces, pods, policies),
		},
		all:     policies.Lister(),
		changed: make(chan struct{}, 1),
	}
	if _, err := policies.Informer().AddEventHandler(s.onChange(samePolicy)); err != nil {
		return nil, err
	}
	_, err := pods.Informer().AddEventHandler(cache.FilteringResourceEventHandler{
		FilterFunc: func(object any) bool {
			if deleted, ok := object.(cache.DeletedFinalStateUnknown); ok {
				object = deleted.Obj
			}
			pod, ok := object.(*v1.Pod)
			return ok && pod.Spec.NodeName == name
		},
		Handler: s.onChange(samePod),
	})
	return s, err
}

// withoutManagedFields removes metadata.managedFields from an object to save memory. Policies do not
// depend on it.
func withoutManagedFields(object any) (any, error) {
	if accessor, err := meta.Accessor(object); err == nil {
		accessor.SetManagedFields(nil)
	}
	return object, nil
}

// onChange returns a handler that sends to changed, except after updates that same reports to be
// without effect.
func (s *state) onChange(same func(before, after any) bool) cache.ResourceEventHandler {
	change := func() {
		select {
		case s.changed <- struct{}{}:
		default: // a change is already pending
		}
	}
	return cache.ResourceEventHandlerFuncs{
		AddFunc: func(any) { change() },
		UpdateFunc: func(before, after any) {
			if !same(before, after) {
				change()
			}
		},
		DeleteFunc: func(any) { change() },
	}
}

func samePolicy(before, after any) bool {
	b, a := before.(*networkingv1.NetworkPolicy), after.(*networkingv1.NetworkPolicy)
	return equality.Semantic.DeepEqual(b.Spec.PodSelector, a.Spec.PodSelector)
}

func samePod(before, after any) bool {
	b, a := before.(*v1.Pod), after.(*v1.Pod)
	return b.UID == a.UID && maps.Equal(b.Labels, a.Labels) && slices.Equal(b.Status.PodIPs, a.Status.PodIPs) && ended(b) == ended(a)
}

// synced waits until policies, pods and namespaces are known, or ctx ends.
func (s *state) synced(ctx context.Context) error {
	return wait.PollUntilContextCancel(ctx, 10*time.Millisecond, true, func(context.Context) (bool, error) { return s.policies.Ready(), nil })
}

// rules returns the rules that the node must have.
func (s *state) rules() (ruleset, error) {
	r := ruleset{cidrs: s.identities.node}
	policies, err := s.all.List(labels.Everything())
	if err != nil || len(policies) == 0 {
		return r, err
	}
	r.policies = true
	used, err := s.identities.sandboxes.used()
	if err != nil {
		return r, err
	}
	for _, ip := range used {
		if pod := s.identities.sandboxed(ip); pod != nil && !ended(pod) && !selected(policies, pod) {
			r.exempt = append(r.exempt, ip)
		}
	}
	return r, nil
}

// selected reports whether a policy selects a pod.
func selected(policies []*networkingv1.NetworkPolicy, pod *v1.Pod) bool {
	return slices.ContainsFunc(policies, func(p *networkingv1.NetworkPolicy) bool {
		return p.Namespace == pod.Namespace && networkpolicy.MatchesSelector(&p.Spec.PodSelector, pod.Labels)
	})
}
