# SPDX-License-Identifier: MIT
#
# Makes a C source of the scripts: their text without comments, with what they need of the prelude where they ask for it,
# and its digest.
#   cmake -DFOLDER=... -DOUTPUT=... -P embed.cmake
cmake_policy(VERSION 3.25)

set(scripts lock unlock cancel break extend renew info) # in the order of enum rlk_script

function(read_script name variable)
	file(READ ${FOLDER}/${name}.lua text)
	string(REGEX REPLACE "(^|\n)[\t ]*--[^@\n][^\n]*" "\\1" text "${text}")
	set(${variable} "${text}" PARENT_SCOPE)
endfunction()

# The parts of the prelude: each begins with a "local" at the margin, and uses what stands before it.
read_script(prelude prelude)
string(STRIP "${prelude}" parts)
string(REPLACE ";" "\\;" parts "${parts}")
string(REGEX REPLACE "\n+local " ";local " parts "${parts}")
list(REVERSE parts)

# Those parts that a text needs and that don't stand before it.
function(needed_prelude text before variable)
	set(needed "")
	foreach(part IN LISTS parts)
		string(FIND "${before}" "${part}" stands)
		if(NOT stands EQUAL -1)
			continue()
		endif()
		string(REGEX MATCH "^local (function )?([A-Za-z_, ]+)" names "${part}")
		string(REGEX REPLACE "[, ]+" "|" names "${CMAKE_MATCH_2}")
		string(REGEX REPLACE "\\|$" "" names "${names}")
		if("${text}${needed}" MATCHES "(^|[^A-Za-z_])(${names})($|[^A-Za-z_])")
			set(needed "${part}\n${needed}")
		endif()
	endforeach()
	set(${variable} "${needed}" PARENT_SCOPE)
endfunction()

set(source "/* Made from scripts/ by embed.cmake. */\n#include \"core.h\"\n\n")
string(APPEND source "const struct rlk_script_source rlk_script_sources[RLK_SCRIPTS] = {\n")
foreach(script IN LISTS scripts)
	read_script(${script} text)
	while("${text}" MATCHES "--@prelude")
		string(FIND "${text}" "--@prelude" mark)
		string(SUBSTRING "${text}" 0 ${mark} before)
		math(EXPR mark "${mark} + 10")
		string(SUBSTRING "${text}" ${mark} -1 after)
		string(FIND "${after}" "--@prelude" next)
		string(SUBSTRING "${after}" 0 ${next} served)
		needed_prelude("${served}" "${before}" prelude)
		set(text "${before}${prelude}${after}")
	endwhile()
	string(REGEX REPLACE "\n[\t\n ]+" "\n" text "${text}")
	string(REGEX REPLACE "^\n+" "" text "${text}")
	string(SHA1 digest "${text}")
	string(REPLACE "\\" "\\\\" literal "${text}")
	string(REPLACE "\"" "\\\"" literal "${literal}")
	string(REPLACE "\n" "\\n\"\n\t  \"" literal "${literal}")
	string(APPEND source "\t/* ${script} */\n\t{ RLK_LITERAL(\n\t  \"${literal}\"),\n\t  RLK_LITERAL(\"${digest}\") },\n")
endforeach()
string(APPEND source "};\n")
file(WRITE ${OUTPUT} "${source}")
