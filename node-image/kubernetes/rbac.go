package main

import (
	"encoding/json"
	"fmt"
	"os"
	"sort"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/kubernetes/plugin/pkg/auth/authorizer/rbac/bootstrappolicy"
)

// bootstrapRBAC prints the roles and bindings that the API server of this release creates at its first
// start, one JSON object per line. A hook of the API server first tries to create them one second after
// the server serves. mkube creates the same objects immediately, so that the components that need these
// permissions do not wait. The hook then finds the objects, and corrects any difference.
func bootstrapRBAC() int {
	out := json.NewEncoder(os.Stdout)
	for _, object := range rbacObjects() {
		object.GetObjectKind().SetGroupVersionKind(kindOf(object))
		if err := out.Encode(object); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return 0
}

func rbacObjects() []runtime.Object {
	var objects []runtime.Object
	for _, list := range [][]rbacv1.ClusterRole{bootstrappolicy.ClusterRoles(), bootstrappolicy.ControllerRoles()} {
		for i := range list {
			objects = append(objects, &list[i])
		}
	}
	for _, list := range [][]rbacv1.ClusterRoleBinding{bootstrappolicy.ClusterRoleBindings(), bootstrappolicy.ControllerRoleBindings()} {
		for i := range list {
			objects = append(objects, &list[i])
		}
	}
	roles := bootstrappolicy.NamespaceRoles()
	for _, namespace := range sorted(roles) {
		for i := range roles[namespace] {
			objects = append(objects, &roles[namespace][i])
		}
	}
	bindings := bootstrappolicy.NamespaceRoleBindings()
	for _, namespace := range sorted(bindings) {
		for i := range bindings[namespace] {
			objects = append(objects, &bindings[namespace][i])
		}
	}
	return objects
}

func kindOf(object runtime.Object) schema.GroupVersionKind {
	kind := "ClusterRole"
	switch object.(type) {
	case *rbacv1.ClusterRoleBinding:
		kind = "ClusterRoleBinding"
	case *rbacv1.Role:
		kind = "Role"
	case *rbacv1.RoleBinding:
		kind = "RoleBinding"
	}
	return rbacv1.SchemeGroupVersion.WithKind(kind)
}

func sorted[V any](m map[string]V) []string {
	var keys []string
	for key := range m {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	return keys
}
