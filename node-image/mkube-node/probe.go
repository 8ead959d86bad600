package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"syscall"
	"time"
)

const (
	// probeTime is how long mkube-probe repeats its request. On a busy machine, waiting in one process
	// costs far less than an exec for each request.
	probeTime = 1500 * time.Millisecond
	// probePause is the time between two requests.
	probePause = 50 * time.Millisecond
	// answerLimit is the maximum time of one request.
	answerLimit = 3 * time.Second
)

// probe requests a health endpoint of this node until the endpoint returns 200, for probeTime at most.
// If it does not return 200 in this time, probe prints the last answer.
//
//	mkube-probe http|https PORT PATH
func probe(args []string, _, stderr io.Writer) int {
	if len(args) != 3 || args[0] != "http" && args[0] != "https" {
		fmt.Fprintln(stderr, "usage: mkube-probe http|https PORT PATH")
		return 2
	}
	url := args[0] + "://127.0.0.1:" + args[1] + args[2]
	client := &http.Client{
		Timeout: answerLimit,
		Transport: &http.Transport{
			DisableKeepAlives: true,
			// The certificate of the server is self-signed. The kubelet's probes do not verify it either.
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	answer := ""
	for end := time.Now().Add(probeTime); time.Now().Before(end); time.Sleep(probePause) {
		if answer = request(client, url, args[1]); answer == "" {
			return 0
		}
	}
	fmt.Fprintf(stderr, "%s: %s\n", url, answer)
	return 1
}

// request sends a request to an endpoint. It returns "" if the endpoint returns 200, else the reason why
// the endpoint is not healthy.
func request(client *http.Client, url, port string) string {
	response, err := client.Get(url)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens on port " + port
	case err != nil:
		return "no answer"
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return response.Status
	}
	return ""
}
