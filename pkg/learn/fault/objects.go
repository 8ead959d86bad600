package fault

import (
	"context"
	"errors"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/mkube/mkube/pkg/cluster"
)

var bindings = schema.GroupVersionResource{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "clusterrolebindings"}

// binding is the ClusterRoleBinding that grants the scheduler its rights. Its role and its user
// have the same name.
const binding = "system:kube-scheduler"

func dropRights(ctx context.Context, e env) error {
	client, err := e.API.Resource(ctx, bindings)
	if err != nil {
		return err
	}
	return client.Delete(ctx, binding, metav1.DeleteOptions{})
}

func rights(ctx context.Context, e env) error {
	_, err := e.API.Get(ctx, bindings, "", binding)
	if err != nil {
		return fmt.Errorf("the scheduler lacks permissions: %w", err)
	}
	return nil
}

func grantRights(ctx context.Context, e env) error {
	return e.API.Apply(ctx, []byte(`apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: `+binding+`
  annotations: {rbac.authorization.kubernetes.io/autoupdate: "true"}
  labels: {kubernetes.io/bootstrapping: rbac-defaults}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: `+binding+`}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: `+binding+`}]
`))
}

// cordon returns a function that cordons all nodes, or uncordons them if closed is false.
func cordon(closed bool) func(context.Context, env) error {
	return func(ctx context.Context, e env) error {
		for _, n := range e.KubernetesNodes() {
			if err := patch(ctx, e, cluster.Nodes, "", n.Name(), fmt.Sprintf(`{"spec":{"unschedulable":%t}}`, closed)); err != nil {
				return err
			}
		}
		return nil
	}
}

// patch changes an object. namespace is "" for an object without a namespace.
func patch(ctx context.Context, e env, kind schema.GroupVersionResource, namespace, name, patch string) error {
	client, err := e.API.Resource(ctx, kind)
	if err != nil {
		return err
	}
	_, err = client.Namespace(namespace).Patch(ctx, name, types.MergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: "mkube"})
	return err
}

// open checks that at least one node accepts pods.
func open(ctx context.Context, e env) error {
	for _, n := range e.KubernetesNodes() {
		node, err := e.API.Get(ctx, cluster.Nodes, "", n.Name())
		if err != nil {
			return err
		}
		if closed, _, _ := unstructured.NestedBool(node.Object, "spec", "unschedulable"); !closed {
			return nil
		}
	}
	return errors.New("no node accepts pods: all are cordoned")
}

const system = "kube-system"

// otherDomain makes CoreDNS serve a domain that no pod uses.
func otherDomain(ctx context.Context, e env) error {
	return changeCorefile(ctx, e, e.Config.Networking.DNSDomain, "another.domain")
}

func ownDomain(ctx context.Context, e env) error {
	return changeCorefile(ctx, e, "another.domain", e.Config.Networking.DNSDomain)
}

// changeCorefile replaces the domain in the Corefile, and restarts CoreDNS, so that it reads the
// file immediately.
func changeCorefile(ctx context.Context, e env, from, to string) error {
	config, err := e.API.Get(ctx, cluster.ConfigMaps, system, "coredns")
	if err != nil {
		return err
	}
	text, _, _ := unstructured.NestedString(config.Object, "data", "Corefile")
	if err := unstructured.SetNestedField(config.Object, strings.ReplaceAll(text, "kubernetes "+from, "kubernetes "+to), "data", "Corefile"); err != nil {
		return err
	}
	client, err := e.API.Resource(ctx, cluster.ConfigMaps)
	if err != nil {
		return err
	}
	if _, err := client.Namespace(system).Update(ctx, config, metav1.UpdateOptions{}); err != nil {
		return err
	}
	pods, err := e.API.Resource(ctx, cluster.Pods)
	if err != nil {
		return err
	}
	return pods.Namespace(system).DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: "k8s-app=kube-dns"})
}

// selectNobody gives the Service of CoreDNS a selector that matches no pod.
func selectNobody(ctx context.Context, e env) error {
	return patch(ctx, e, cluster.Services, system, "kube-dns", `{"spec":{"selector":{"k8s-app":"kube-dsn"}}}`)
}

func selectPods(ctx context.Context, e env) error {
	return patch(ctx, e, cluster.Services, system, "kube-dns", `{"spec":{"selector":{"k8s-app":"kube-dns"}}}`)
}
