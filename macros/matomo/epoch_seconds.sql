{% macro epoch_seconds(text) -%}
    {#- A Unix time in text as bigint, null where it is none of the years 1970 to 9999: one visit with
        an absurd time must not stop a build, nor be the newest version for ever. -#}
    if(
        try_cast({{ text }} as bigint) between 0 and 253402214400,
        try_cast({{ text }} as bigint),
        null
    )
{%- endmacro %}
