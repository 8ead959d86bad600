package config

import (
	"crypto/x509"
	_ "embed"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/mkube/mkube/pkg/names"
)

// The flags of kube-apiserver that configure the authentication of requests. mkube merges them into
// its own AuthenticationConfiguration, because kube-apiserver refuses both. See
// https://kubernetes.io/docs/reference/access-authn-authz/authentication/.
const (
	authenticationConfig = "authentication-config"
	anonymousAuth        = "anonymous-auth"
	oidc                 = "oidc-"
	oidcIssuer           = "oidc-issuer-url"
	oidcClient           = "oidc-client-id"
	oidcCA               = "oidc-ca-file"
	oidcRequired         = "oidc-required-claim"
)

// clusterCA is the certificate of the cluster's authority, which exists only after the nodes are
// known.
const clusterCA = names.PKIDir + "/ca.crt"

// authenticationKind is the file that authentication-config names.
var authenticationKind = document{
	program: names.KubeAPIServer, kind: "AuthenticationConfiguration",
	versions: configVersions, schema: schemaOf(authenticationFields),
}

//go:embed authentication.toml
var authenticationFields string

// AuthenticationFlag reports whether a flag of kube-apiserver is a part of Authentication.
func AuthenticationFlag(flag string) bool {
	return flag == authenticationConfig || flag == anonymousAuth || strings.HasPrefix(flag, oidc)
}

// Authentication returns the AuthenticationConfiguration that the user's flags of kube-apiserver
// describe, nil if there are none. ca is the certificate of the cluster's authority as PEM. The
// cluster must be valid, with the contents of extraFiles. See
// https://kubernetes.io/docs/reference/config-api/apiserver-config.v1/.
func (c Cluster) Authentication(ca string) (map[string]any, error) {
	args := c.ExtraArgs[names.KubeAPIServer]
	if !slices.ContainsFunc(slices.Collect(maps.Keys(args)), AuthenticationFlag) {
		return nil, nil
	}
	result := table{}
	if file, ok := args[authenticationConfig]; ok {
		text, found := c.ExtraFile(names.KubeAPIServer, file)
		if !found {
			return nil, fmt.Errorf("extraFiles.%s has no file %s", names.KubeAPIServer, file)
		}
		var err error
		if result, err = parseYAML(text); err != nil {
			return nil, fmt.Errorf("reading %s: %w", file, err)
		}
	}
	if args[oidcIssuer] != "" {
		result["jwt"] = []any{c.jwt(args, ca)}
	}
	if args[anonymousAuth] != "" {
		result["anonymous"] = table{"enabled": true}
	}
	return result, nil
}

// jwt returns the authenticator that kube-apiserver makes of the oidc flags. See
// pkg/kubeapiserver/options/authentication.go in Kubernetes.
func (c Cluster) jwt(args map[string]string, ca string) table {
	claim := args["oidc-username-claim"]
	if claim == "" {
		claim = "sub"
	}
	prefix := args["oidc-username-prefix"]
	switch {
	case prefix == "-":
		prefix = ""
	case prefix == "" && claim != "email":
		prefix = args[oidcIssuer] + "#"
	}
	issuer := table{"url": args[oidcIssuer], "audiences": []any{args[oidcClient]}}
	if file := args[oidcCA]; file == clusterCA {
		issuer["certificateAuthority"] = ca
	} else if text, ok := c.ExtraFile(names.KubeAPIServer, file); ok {
		issuer["certificateAuthority"] = text
	}
	mappings := table{"username": table{"claim": claim, "prefix": prefix}}
	if groups := args["oidc-groups-claim"]; groups != "" {
		mappings["groups"] = table{"claim": groups, "prefix": args["oidc-groups-prefix"]}
	}
	jwt := table{"issuer": issuer, "claimMappings": mappings}
	if key, value, ok := strings.Cut(args[oidcRequired], "="); ok {
		jwt["claimValidationRules"] = []any{table{"claim": key, "requiredValue": value}}
	}
	return jwt
}

// authentication checks the flags that Authentication translates.
func (m *mistakes) authentication(c Cluster) {
	args := c.ExtraArgs[names.KubeAPIServer]
	parent := keyPath("extraArgs", names.KubeAPIServer)
	var issuers []string
	for _, flag := range slices.Sorted(maps.Keys(args)) {
		if strings.HasPrefix(flag, oidc) {
			issuers = append(issuers, flag)
		}
	}
	file, structured := args[authenticationConfig]
	switch {
	case structured && len(issuers) > 0:
		m.addf(keyPath(parent, issuers[0]), "cannot be combined with %s: write the issuer into that file, as an item of jwt", authenticationConfig)
	case structured:
		m.authenticationFile(keyPath(parent, authenticationConfig), file, c)
	case len(issuers) > 0:
		m.oidc(parent, args, issuers, c)
	}
	if value, ok := args[anonymousAuth]; ok && value != "true" {
		m.addf(keyPath(parent, anonymousAuth), `must be "true", not %s: %s`, quote(value), whyAnonymous)
	}
}

const whyAnonymous = "the kubelet checks the health of kube-apiserver with anonymous requests; without this setting, mkube allows only those, and the discovery of the issuer"

func (m *mistakes) oidc(parent string, args map[string]string, flags []string, c Cluster) {
	if args[oidcIssuer] == "" || args[oidcClient] == "" {
		m.addf(keyPath(parent, flags[0]), "requires both %s and %s", oidcIssuer, oidcClient)
	}
	if args[oidcIssuer] != "" {
		if why := c.issuerProblem(args[oidcIssuer]); why != "" {
			m.addf(keyPath(parent, oidcIssuer), "%s", why)
		}
	}
	if value, ok := args[oidcRequired]; ok && strings.Index(value, "=") < 1 {
		m.addf(keyPath(parent, oidcRequired), "must be CLAIM=VALUE, not %s", quote(value))
	}
	file := args[oidcCA]
	if file == "" || file == clusterCA {
		return
	}
	at := keyPath(parent, oidcCA)
	f := c.podFile(file)
	if f == nil {
		m.addf(at, "names %s, whose certificate mkube writes into its own file: list the file in extraFiles.%s", quote(file), names.KubeAPIServer)
	} else if f.Content != nil && !x509.NewCertPool().AppendCertsFromPEM([]byte(*f.Content)) {
		m.addf(at, "names %s, which has no certificate in PEM", quote(file))
	}
}

// podFile returns the user's file of kube-apiserver with a path, nil if there is none.
func (c Cluster) podFile(at string) *ExtraFile {
	for i, f := range c.ExtraFiles[names.KubeAPIServer] {
		if f.Path == at {
			return &c.ExtraFiles[names.KubeAPIServer][i]
		}
	}
	return nil
}

// issuerProblem returns why kube-apiserver would refuse an issuer, "" if it would not.
func (c Cluster) issuerProblem(issuer string) string {
	own := c.ExtraArgs[names.KubeAPIServer]["service-account-issuer"]
	if own == "" {
		own = "https://kubernetes.default.svc." + c.Networking.DNSDomain
	}
	u, err := url.Parse(issuer)
	switch {
	case err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return "must be a URL such as https://issuer.example.com without user, query and fragment, not " + quote(issuer)
	case issuer == own:
		return "must not be " + quote(issuer) + ", the issuer of the cluster's own service accounts"
	}
	return ""
}

// authenticationFile checks the user's AuthenticationConfiguration, if its content is known.
func (m *mistakes) authenticationFile(at, file string, c Cluster) {
	f := c.podFile(file)
	if f == nil {
		m.addf(at, "names %s, which mkube merges with its own file: list the file in extraFiles.%s", quote(file), names.KubeAPIServer)
		return
	}
	if f.Content == nil {
		return
	}
	if tree, ok := m.document(at, file, *f.Content, authenticationKind, c); ok {
		if err := c.authenticationProblem(tree); err != nil {
			m.addf(at, "names %s, which %v", quote(file), err)
		}
	}
}

func (c Cluster) authenticationProblem(tree table) error {
	list, _ := tree["jwt"].([]any)
	seen := map[string]bool{}
	for i, item := range list {
		jwt, _ := item.(table)
		issuer, _ := subtable(jwt, "issuer")["url"].(string)
		if why := c.issuerProblem(issuer); why != "" {
			return fmt.Errorf("cannot be used: jwt[%d].issuer.url %s", i, why)
		}
		if seen[issuer] {
			return fmt.Errorf("cannot be used: jwt[%d].issuer.url is the second %s", i, quote(issuer))
		}
		seen[issuer] = true
	}
	anonymous, set := tree["anonymous"].(table)
	if _, flag := c.ExtraArgs[names.KubeAPIServer][anonymousAuth]; set && flag {
		return errors.New("has the field anonymous: remove it, or the flag " + anonymousAuth)
	}
	if set && anonymous["enabled"] != true {
		return errors.New("disables anonymous requests: " + whyAnonymous)
	}
	return nil
}
