/* Makes the round of xmlrpc.sh with the client of xmlrpc-c.
 *
 * Call: xmlrpc_tour_c URL FOLDER. Logs in, imports a PKCS #12 file, activates it, lists,
 * makes a multicall, and hears every fault of FOLDER/faults.tsv. Prints "ok" or "FAIL" and
 * a text, a line for each thing that was checked. Exit code 1 says that it could not go on.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xmlrpc-c/base.h>
#include <xmlrpc-c/client.h>

enum { ROOM = 65536 };

static const char *url, *folder;
static xmlrpc_env env;
static xmlrpc_client *client;
static char manager[256], viewer[256]; /* sessions */
static char id[128];                   /* of the certificate that was activated */

static void check(const char *text, bool passed)
{
	printf("%s xmlrpc-c %s\n", passed ? "ok" : "FAIL", text);
}

static void give_up(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, env.fault_occurred ? env.fault_string : "unexpected");
	exit(1);
}

static void must(const char *what)
{
	if (env.fault_occurred)
		give_up(what);
}

/* Reads a file of the folder; returns how long it is. */
static size_t contents(const char *name, char *text)
{
	char path[4096];
	snprintf(path, sizeof path, "%s/%s", folder, name);
	FILE *file = fopen(path, "rb");
	if (file == NULL)
		give_up(path);
	size_t length = fread(text, 1, ROOM - 1, file);
	fclose(file);
	text[length] = '\0';
	return length;
}

/* Puts a member into a struct, which takes it over. */
static void put(xmlrpc_value *members, const char *name, xmlrpc_value *value)
{
	must(name);
	xmlrpc_struct_set_value(&env, members, name, value);
	must(name);
	xmlrpc_DECREF(value);
}

static void put_text(xmlrpc_value *members, const char *name, const char *text)
{
	put(members, name, xmlrpc_string_new(&env, text));
}

/* Begins the arguments of a call by somebody with a session, or by nobody. */
static xmlrpc_value *as(const char *session)
{
	xmlrpc_value *members = xmlrpc_struct_new(&env);
	if (*session != '\0')
		put_text(members, "session", session);
	return members;
}

/* Calls a method with one struct, which it takes over; a fault stays in env. */
static xmlrpc_value *call(const char *method, xmlrpc_value *members)
{
	xmlrpc_value *result = NULL;
	xmlrpc_value *arguments = xmlrpc_build_value(&env, "(V)", members);
	xmlrpc_server_info *server = xmlrpc_server_info_new(&env, url);
	must("prepare a call");
	xmlrpc_client_call2(&env, client, server, method, arguments, &result);
	xmlrpc_server_info_free(server);
	xmlrpc_DECREF(arguments);
	return result;
}

/* Copies a text member of a struct; empty where there is none. */
static void member(xmlrpc_value *members, const char *name, char *text, size_t size)
{
	xmlrpc_value *value = NULL;
	const char *found;
	*text = '\0';
	xmlrpc_struct_find_value(&env, members, name, &value);
	must(name);
	if (value == NULL)
		return;
	xmlrpc_read_string(&env, value, &found);
	must(name);
	snprintf(text, size, "%s", found);
	free((void *)found);
	xmlrpc_DECREF(value);
}

/* Tells whether a text member of a struct has a value. */
static bool has(xmlrpc_value *members, const char *name, const char *want)
{
	char text[256];
	member(members, name, text, sizeof text);
	return strcmp(text, want) == 0;
}

static void log_in(const char *role, char *session, size_t size)
{
	static char token[ROOM];
	const char *given;
	contents(role, token);
	token[strcspn(token, "\r\n")] = '\0';
	xmlrpc_value *members = as("");
	put_text(members, "user", "");
	put_text(members, "password", token);
	xmlrpc_value *result = call("session.login", members);
	must("log in");
	xmlrpc_read_string(&env, result, &given);
	must("log in");
	snprintf(session, size, "%s", given);
	free((void *)given);
	xmlrpc_DECREF(result);
}

static void install(void)
{
	static char file[ROOM];
	size_t length = contents("c.p12", file);
	xmlrpc_value *members = as(manager);
	put(members, "pkcs12", xmlrpc_base64_new(&env, length, (unsigned char *)file));
	put_text(members, "password", "interop");
	xmlrpc_value *imported = call("certificate.import_pkcs12", members);
	must("import");
	check("imports PKCS #12", has(imported, "state", "inactive"));
	member(imported, "id", id, sizeof id);
	xmlrpc_DECREF(imported);

	members = as(manager);
	put_text(members, "id", id);
	xmlrpc_value *activated = call("certificate.activate", members);
	must("activate");
	check("activates it", has(activated, "state", "active"));
	xmlrpc_DECREF(activated);
}

static void list(void)
{
	bool found = false;
	xmlrpc_value *all = call("certificate.list", as(manager));
	must("list");
	for (int i = 0; i < xmlrpc_array_size(&env, all); i++) {
		xmlrpc_value *one;
		xmlrpc_array_read_item(&env, all, (unsigned)i, &one);
		must("list");
		found = found || (has(one, "id", id) && has(one, "state", "active"));
		xmlrpc_DECREF(one);
	}
	check("lists it as active", found);
	xmlrpc_DECREF(all);
}

/* Makes an entry of a multicall, with one struct as its arguments. */
static xmlrpc_value *entry(const char *method)
{
	xmlrpc_value *members = as(manager);
	xmlrpc_value *made = xmlrpc_build_value(&env, "{s:s,s:(V)}", "methodName", method, "params", members);
	must(method);
	xmlrpc_DECREF(members);
	return made;
}

/* Tells whether the replies are a host name, the active certificate, and a fault. */
static bool answered(xmlrpc_value *replies)
{
	const char *name = NULL;
	xmlrpc_value *active = NULL, *fault = NULL;
	xmlrpc_int32 code = 0;
	xmlrpc_decompose_value(&env, replies, "((s)(V)V)", &name, &active, &fault);
	must("read the replies");
	xmlrpc_decompose_value(&env, fault, "{s:i,*}", "faultCode", &code);
	must("read the fault");
	bool passed = strcmp(name, "gateway.example") == 0 && has(active, "id", id) && code == -32601;
	free((void *)name);
	xmlrpc_DECREF(active);
	xmlrpc_DECREF(fault);
	return passed;
}

static void multicall(void)
{
	const char *methods[] = {"gateway.default_fqdn", "certificate.active", "no.such_method"};
	xmlrpc_value *calls = xmlrpc_array_new(&env), *replies = NULL;
	for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
		xmlrpc_value *one = entry(methods[i]);
		xmlrpc_array_append_item(&env, calls, one);
		xmlrpc_DECREF(one);
	}
	replies = call("system.multicall", calls);
	must("multicall");
	check("makes a multicall", answered(replies));
	xmlrpc_DECREF(replies);
	xmlrpc_DECREF(calls);
}

/* Writes a text with {active} replaced by the id. */
static void expand(const char *text, char *expanded, size_t size)
{
	const char *mark = strstr(text, "{active}");
	if (mark == NULL)
		snprintf(expanded, size, "%s", text);
	else
		snprintf(expanded, size, "%.*s%s%s", (int)(mark - text), text, id, mark + strlen("{active}"));
}

/* Reads base64, which the library has no call for; returns how long it is. */
static size_t unbase64(const char *text, unsigned char *bytes)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	unsigned long bits = 0;
	size_t length = 0;
	int held = 0;
	for (; *text != '\0' && *text != '='; text++) {
		bits = (bits << 6) | (unsigned long)(strchr(digits, *text) - digits);
		held += 6;
		if (held >= 8) {
			held -= 8;
			bytes[length++] = (unsigned char)(bits >> held);
		}
	}
	return length;
}

/* Puts an argument of the table, as name:type=value. */
static void put_argument(xmlrpc_value *members, char *column)
{
	static unsigned char bytes[ROOM];
	char text[1024];
	char *type = strchr(column, ':');
	if (type == NULL || type[1] == '\0' || type[2] != '=')
		give_up(column);
	*type++ = '\0';
	expand(type + 2, text, sizeof text);
	switch (*type) {
	case 'i':
		put(members, column, xmlrpc_int_new(&env, atoi(text)));
		break;
	case 'b':
		put(members, column, xmlrpc_base64_new(&env, unbase64(text, bytes), bytes));
		break;
	default:
		put_text(members, column, text);
	}
}

/* Makes the call of one line of the table, which must fail as it says. */
static void hear(char *line)
{
	char text[256], *rest;
	char *code = strtok_r(line, "\t", &rest), *who = strtok_r(NULL, "\t", &rest), *method = strtok_r(NULL, "\t", &rest);
	if (method == NULL)
		give_up("a line of the faults");
	xmlrpc_value *members = as(strcmp(who, "manager") == 0 ? manager : strcmp(who, "viewer") == 0 ? viewer : "");
	for (char *column; (column = strtok_r(NULL, "\t", &rest)) != NULL;)
		put_argument(members, column);
	xmlrpc_value *result = call(method, members);
	bool passed = env.fault_occurred && env.fault_code == atoi(code);
	snprintf(text, sizeof text, "hears %s from %s", code, method);
	if (!passed && env.fault_occurred)
		snprintf(text, sizeof text, "hears %s from %s: %d %.100s", code, method, env.fault_code, env.fault_string);
	check(text, passed);
	if (!env.fault_occurred)
		xmlrpc_DECREF(result);
	xmlrpc_DECREF(members);
	xmlrpc_env_clean(&env);
	xmlrpc_env_init(&env);
}

static void faults(void)
{
	static char table[ROOM];
	char *rest = NULL;
	contents("faults.tsv", table);
	for (char *line = strtok_r(table, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest))
		hear(line);
}

int main(int count, char **arguments)
{
	if (count != 3) {
		fprintf(stderr, "usage: xmlrpc_tour_c URL FOLDER\n");
		return 1;
	}
	url = arguments[1];
	folder = arguments[2];
	xmlrpc_env_init(&env);
	xmlrpc_client_setup_global_const(&env);
	must("set up");
	xmlrpc_client_create(&env, XMLRPC_CLIENT_NO_FLAGS, "postern interop", "1", NULL, 0, &client);
	must("make a client");
	log_in("manager", manager, sizeof manager);
	log_in("viewer", viewer, sizeof viewer);
	check("logs in", strlen(manager) >= 32);
	install();
	list();
	multicall();
	faults();
	xmlrpc_client_destroy(client);
	xmlrpc_client_teardown_global_const();
	return 0;
}
