package config

import (
	"maps"
	"reflect"
	"strings"
	"testing"
)

// withFlags returns a cluster with flags of kube-apiserver and, if text is not empty, a file /a.
func withFlags(text string, flags ...string) Cluster {
	c := Cluster{ExtraArgs: map[string]map[string]string{"kube-apiserver": {}}}
	for _, flag := range flags {
		name, value, _ := strings.Cut(flag, "=")
		c.ExtraArgs["kube-apiserver"][name] = value
	}
	if text != "" {
		c.ExtraFiles = map[string][]ExtraFile{"kube-apiserver": {{Content: &text, Path: "/a"}}}
	}
	return c
}

const issuerFlags = "oidc-issuer-url=https://issuer.example.com oidc-client-id=kubernetes"

// TestAuthenticationOfFlags checks that the oidc flags mean what they mean in kube-apiserver.
func TestAuthenticationOfFlags(t *testing.T) {
	t.Parallel()
	user := func(claim, prefix string) table { return table{"username": table{"claim": claim, "prefix": prefix}} }
	issuer := table{"url": "https://issuer.example.com", "audiences": []any{"kubernetes"}}
	with := func(t table, key string, value any) table {
		more := maps.Clone(t)
		more[key] = value
		return more
	}
	own := table{"issuer": issuer, "claimMappings": user("sub", "https://issuer.example.com#")}
	for flags, want := range map[string]table{
		"":                          own,
		"oidc-username-claim=email": with(own, "claimMappings", user("email", "")),
		"oidc-username-claim=name":  with(own, "claimMappings", user("name", "https://issuer.example.com#")),
		"oidc-username-prefix=-":    with(own, "claimMappings", user("sub", "")),
		"oidc-username-prefix=o:":   with(own, "claimMappings", user("sub", "o:")),
		"oidc-groups-claim=g":       with(own, "claimMappings", with(user("sub", "https://issuer.example.com#"), "groups", table{"claim": "g", "prefix": ""})),
		"oidc-groups-claim=g oidc-groups-prefix=p:": with(own, "claimMappings", with(user("sub", "https://issuer.example.com#"), "groups", table{"claim": "g", "prefix": "p:"})),
		"oidc-groups-prefix=p:":                     own,
		"oidc-required-claim=a=b=c":                 with(own, "claimValidationRules", []any{table{"claim": "a", "requiredValue": "b=c"}}),
		"oidc-ca-file=/a":                           with(own, "issuer", with(issuer, "certificateAuthority", "text")),
		"oidc-ca-file=/etc/kubernetes/pki/ca.crt":   with(own, "issuer", with(issuer, "certificateAuthority", "cluster's")),
	} {
		got, err := withFlags("text", strings.Fields(issuerFlags+" "+flags)...).Authentication("cluster's")
		if err != nil || !reflect.DeepEqual(got, table{"jwt": []any{want}}) {
			t.Errorf("%s:\n got %v, %v\nwant %v", flags, got, err, want)
		}
	}
}

func TestAuthenticationOfFile(t *testing.T) {
	t.Parallel()
	const text = "apiVersion: apiserver.config.k8s.io/v1beta1\nkind: AuthenticationConfiguration\njwt: []\n"
	got, err := withFlags(text, "authentication-config=/a", "anonymous-auth=true").Authentication("")
	want := table{
		"apiVersion": "apiserver.config.k8s.io/v1beta1", "kind": "AuthenticationConfiguration", "jwt": []any{},
		"anonymous": table{"enabled": true},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Authentication = %v, %v; want %v", got, err, want)
	}
	if got, err := withFlags("", "v=4").Authentication(""); got != nil || err != nil {
		t.Errorf("without flags, Authentication = %v, %v", got, err)
	}
	if _, err := withFlags("", "authentication-config=/a").Authentication(""); err == nil {
		t.Error("a file that is not there is no error")
	}
}

func TestValidateAuthentication(t *testing.T) {
	t.Parallel()
	const (
		head      = "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\n"
		arg       = "extraArgs.kube-apiserver."
		anonymous = "the kubelet checks the health of kube-apiserver with anonymous requests; without this setting, mkube allows only those, and the discovery of the issuer"
		bad       = "must be a URL such as https://issuer.example.com without user, query and fragment, not "
		file      = arg + `authentication-config names "/a", which `
	)
	for _, test := range []struct{ text, flags, want string }{
		{"", issuerFlags, ""},
		{"", "oidc-issuer-url=https://a", arg + "oidc-issuer-url requires both oidc-issuer-url and oidc-client-id"},
		{"", "oidc-username-claim=email", arg + "oidc-username-claim requires both oidc-issuer-url and oidc-client-id"},
		{"", "oidc-client-id=a oidc-issuer-url=http://a", arg + "oidc-issuer-url " + bad + `"http://a"`},
		{"", "oidc-client-id=a oidc-issuer-url=https://a?b", arg + "oidc-issuer-url " + bad + `"https://a?b"`},
		{"", "oidc-client-id=a oidc-issuer-url=https://kubernetes.default.svc.cluster.local", arg + `oidc-issuer-url must not be "https://kubernetes.default.svc.cluster.local", the issuer of the cluster's own service accounts`},
		{"", "oidc-client-id=a oidc-issuer-url=https://b service-account-issuer=https://b", arg + `oidc-issuer-url must not be "https://b", the issuer of the cluster's own service accounts`},
		{"", issuerFlags + " oidc-required-claim=a", arg + `oidc-required-claim must be CLAIM=VALUE, not "a"`},
		{"", issuerFlags + " oidc-signing-algs=RS256", arg + "oidc-signing-algs cannot be set: mkube passes the issuer in an AuthenticationConfiguration, which accepts every algorithm and has no field for this"},
		{"", issuerFlags + " oidc-ca-file=/b", arg + `oidc-ca-file names "/b", whose certificate mkube writes into its own file: list the file in extraFiles.kube-apiserver`},
		{"", issuerFlags + " oidc-ca-file=/etc/kubernetes/pki/ca.crt", ""},
		{"text", issuerFlags + " oidc-ca-file=/a", arg + `oidc-ca-file names "/a", which has no certificate in PEM`},
		{head, issuerFlags + " authentication-config=/a", arg + "oidc-client-id cannot be combined with authentication-config: write the issuer into that file, as an item of jwt"},
		{"", "anonymous-auth=true", ""},
		{"", "anonymous-auth=false", arg + `anonymous-auth must be "true", not "false": ` + anonymous},
		{head, "authentication-config=/a", ""},
		{head + "jwt: [{issuer: {url: https://a, audiences: [b]}, claimMappings: {username: {claim: sub, prefix: ''}}}]", "authentication-config=/a", ""},
		{head, "authentication-config=/b", arg + `authentication-config names "/b", which mkube merges with its own file: list the file in extraFiles.kube-apiserver`},
		{head, "authentication-config=/etc/kubernetes/authentication.yaml", arg + `authentication-config names "/etc/kubernetes/authentication.yaml", which mkube merges with its own file: list the file in extraFiles.kube-apiserver`},
		{"jwt: []", "authentication-config=/a", file + "has no apiVersion or no kind: write \"apiVersion: apiserver.config.k8s.io/v1\" and \"kind: AuthenticationConfiguration\""},
		{"a: [", "authentication-config=/a", file + "is not a YAML mapping: line 1: did not find expected node content"},
		{"apiVersion: v1\nkind: Pod", "authentication-config=/a", file + "cannot be used: line 2 (\"kind: Pod\"): kind must be AuthenticationConfiguration\n" + file + "cannot be used: line 1 (\"apiVersion: v1\"): apiVersion must be apiserver.config.k8s.io/v1"},
		{head + "jwts: []", "authentication-config=/a", file + `cannot be used: line 3 ("jwts: []"): kube-apiserver has no field jwts, and would refuse it: did you mean "jwt"?`},
		{head + "jwt: {}", "authentication-config=/a", file + `cannot be used: line 3 ("jwt: {}"): jwt must be a list, not a mapping`},
		{head + "jwt: [{issuer: {url: http://a}}]", "authentication-config=/a", file + "cannot be used: jwt[0].issuer.url " + bad + `"http://a"`},
		{head + "jwt: [{issuer: {url: https://a}}, {issuer: {url: https://a}}]", "authentication-config=/a", file + `cannot be used: jwt[1].issuer.url is the second "https://a"`},
		{head + "anonymous: {enabled: false}", "authentication-config=/a", file + "disables anonymous requests: " + anonymous},
		{head + "anonymous: {enabled: true}", "authentication-config=/a anonymous-auth=true", file + "has the field anonymous: remove it, or the flag anonymous-auth"},
	} {
		if got := problems(withFlags(test.text, strings.Fields(test.flags)...)); got != test.want {
			t.Errorf("%s with %q:\n got %s\nwant %s", test.flags, test.text, got, test.want)
		}
	}
}
