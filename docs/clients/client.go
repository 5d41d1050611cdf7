// A keyfob client with net/http:  client ORIGIN sign-in USER < password | get PATH | sign-out
// The tokens are kept in the file that TOKENS names, which only its owner may read.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
)

type tokens struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
}

type keyfob struct{ origin, file string }

// Tokens come from the login and from a refresh in the same shape.
func (k keyfob) fetchTokens(path string, form url.Values) error {
	answer, err := http.PostForm(k.origin+path, form)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", path, answer.Status)
	}
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	// Replaced whole, so that a crash leaves the old pair or the new one.
	if err := os.WriteFile(k.file+".new", text, 0o600); err != nil {
		return err
	}
	return os.Rename(k.file+".new", k.file)
}

func (k keyfob) tokens() (kept tokens, err error) {
	text, err := os.ReadFile(k.file)
	if err != nil {
		return kept, err
	}
	return kept, json.Unmarshal(text, &kept)
}

func (k keyfob) signIn(username, password string) error {
	return k.fetchTokens("/auth/login", url.Values{"username": {username}, "password": {password}})
}

func (k keyfob) call(path string) (*http.Response, error) {
	kept, err := k.tokens()
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequest(http.MethodGet, k.origin+path, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+kept.Access)
	return http.DefaultClient.Do(request)
}

func (k keyfob) get(path string) (*http.Response, error) {
	answer, err := k.call(path)
	// Refresh only for this: a permission that is missing is missing with a new token too.
	if err != nil || answer.StatusCode != http.StatusUnauthorized ||
		!strings.Contains(answer.Header.Get("WWW-Authenticate"), `error="invalid_token"`) {
		return answer, err
	}
	kept, err := k.tokens()
	if err != nil {
		return answer, nil
	}
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {kept.Refresh}}
	if err := k.fetchTokens("/auth/token", form); err != nil {
		return answer, nil // The session has ended: the caller sees the 401, and signs in again.
	}
	answer.Body.Close()
	return k.call(path)
}

func (k keyfob) signOut() error {
	kept, err := k.tokens()
	if err != nil {
		return err
	}
	// The refresh token ends the session, also where the access token has expired.
	answer, err := http.PostForm(k.origin+"/auth/revoke", url.Values{"token": {kept.Refresh}})
	if err != nil {
		return err
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return errors.New(answer.Status)
	}
	return os.Remove(k.file)
}

func run(arguments []string) error {
	k := keyfob{arguments[0], os.Getenv("TOKENS")}
	switch arguments[1] {
	case "sign-in":
		password, err := bufio.NewReader(os.Stdin).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		return k.signIn(arguments[2], strings.TrimRight(password, "\n"))
	case "sign-out":
		return k.signOut()
	default:
		answer, err := k.get(arguments[2])
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		fmt.Println(answer.StatusCode)
		_, err = io.Copy(os.Stdout, answer.Body)
		return err
	}
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
