package apiserver

import (
	"strings"
	"testing"
)

func TestRolesOf(t *testing.T) {
	t.Parallel()
	rules, err := rolesOf([]byte(`{"kind":"ClusterRole","metadata":{"name":"admin"}}
{"kind":"ClusterRole","metadata":{"name":"system:kube-scheduler"}}
{"kind":"ClusterRoleBinding","metadata":{"name":"system:kube-scheduler"}}
{"kind":"Role","metadata":{"name":"system:kube-scheduler","namespace":"kube-system"}}
{"kind":"ClusterRole","metadata":{"name":"system:node-proxier"}}
`))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, rule := range rules {
		got = append(got, rule.GetKind()+" "+rule.GetName())
	}
	// What components need that start next is first; what lies in a namespace is left
	// to the server.
	want := "ClusterRole system:kube-scheduler, ClusterRoleBinding system:kube-scheduler, ClusterRole system:node-proxier, ClusterRole admin"
	if strings.Join(got, ", ") != want {
		t.Errorf("rolesOf = %s; want %s", strings.Join(got, ", "), want)
	}
}

func TestRolesOfNonsense(t *testing.T) {
	t.Parallel()
	if _, err := rolesOf([]byte("{\"kind\":\n")); err == nil {
		t.Error("rolesOf took half an object")
	}
	if rules, err := rolesOf(nil); err != nil || len(rules) != 0 {
		t.Errorf("rolesOf of nothing = %v, %v", rules, err)
	}
}
